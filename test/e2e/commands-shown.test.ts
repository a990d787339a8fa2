/** How commands are seen: with their session, in lists of sessions, and as events. */
import { beforeAll, afterAll, expect, test } from "bun:test";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { hook, id, leave, life, lines } from "../support/spool.ts";

const PID = 4_194_000;
const BEGAN = Date.parse("2026-02-06T12:35:00.000Z");
const at = (seconds: number) => BEGAN + seconds * 1_000;

const sandbox = new Sandbox();
beforeAll(async () => {
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
  leave(
    sandbox,
    `${id(1)}.${PID}.commands`,
    [
      hook.header(PID, at(0)),
      hook.start(1, at(1), "cat <<'END'\nsecond\tline\nEND"),
      hook.end(1, at(1.25), 0),
      hook.start(2, at(2), "Make ALL | tee \x1b[31mlog\u202e"),
      hook.end(2, at(92), 2, "2 0"),
      hook.start(3, at(100), "", { mark: "private" }),
      hook.end(3, at(101), 0),
      hook.start(4, at(102), "curl -H ***", { mark: "bearer" }),
      hook.end(4, at(103), 22),
      hook.start(5, at(110), "exit"),
    ].join(""),
  );
  leave(sandbox, `${id(2)}.ndjson`, lines(life(2)));
  await sandbox.list();
});
afterAll(() => sandbox[Symbol.dispose]());

const show = async (...flags: string[]) => {
  const run = await sandbox.run(["show-session", id(1), ...flags]);
  expect([run.exitCode, run.stderr]).toEqual([0, ""]);
  return run.stdout;
};
const commandsIn = (text: string) =>
  text
    .slice(text.indexOf("\ncommands:\n") + 11)
    .split(/\r?\n/)
    .filter(Boolean)
    .map((line) => line.trim().split(/ {2,}/));

test("show-session has them after the metadata, newest last, escaped", async () => {
  const text = await show();
  expect(text).toMatch(/^command_count: +5$/m);
  expect(text).toMatch(/^failed_commands: +2$/m);
  expect(text).toMatch(/^last_command: +exit$/m);
  const rows = commandsIn(text);
  const time = (seconds: number) =>
    new Date(at(seconds)).toISOString().replace(".000Z", "+00:00");
  expect(rows).toEqual([
    ["1", time(1), "250ms", "0", "cat <<'END'\\nsecond\\tline\\nEND"],
    ["2", time(2), "1m30s", "2|0", "Make ALL | tee \\x1b[31mlog\\u202e"],
    ["3", time(100), "1s", "0", "(private)"],
    ["4", time(102), "1s", "22", "curl -H ***"],
    ["5", time(110), rows[4]![2]!, "-", "exit"],
  ]);
});

test("its flags leave out what was not asked for", async () => {
  expect(commandsIn(await show("--failed")).map((row) => row[3])).toEqual([
    ...["2|0", "22"],
  ]);
  expect(commandsIn(await show("-n", "2")).map((row) => row[4])).toEqual([
    ...["curl -H ***", "exit"],
  ]);
  expect(await show("--no-commands")).not.toContain("\ncommands:\n");
  expect(await show("--commands")).toBe(await show());
});

test("at a terminal a command of several lines is folded", async () => {
  await using pty = new Pty(sandbox, [BINARY, "show", id(1)]);
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
  const text = pty.text().replaceAll("\r\n", "\n");
  expect(commandsIn(text)[0]![4]).toBe("cat <<'END' (+2 lines)");
});

test("as JSON each has all that is known of it", async () => {
  const { commands, last_command } = JSON.parse(await show("--json")) as {
    commands: object[];
    last_command: string;
  };
  expect(last_command).toBe("exit");
  expect(commands).toHaveLength(5);
  expect(commands[1]).toEqual({
    ...{ seq: 2, pid: PID, depth: null, mark: null, cwd: "/srv" },
    text: "Make ALL | tee \x1b[31mlog\u202e",
    ...{ start_time: "2026-02-06T12:35:02.000Z", exit_code: 2 },
    ...{ end_time: "2026-02-06T12:36:32.000Z", duration_seconds: 90 },
    pipe_status: [2, 0],
  });
  expect(commands[2]).toMatchObject({ text: null, mark: "private" });
  expect(commands[3]).toMatchObject({ mark: "redacted:bearer" });
  expect(JSON.parse(await show("--json", "--no-commands"))).not.toHaveProperty(
    "commands",
  );
});

test("what a person types in a wrapped shell reads as it was done", async () => {
  using typed = new Sandbox();
  await using pty = new Pty(typed, [BINARY, "shell", "--quiet", "bash"]);
  for (const [line, shown] of [
    ["PS1='re''ady> '", "ready> "],
    ["(exit 3)", "ready> "],
    ["echo one | grep -c two | cat", /\b0\r\nready> /],
    ["cat <<X\nof two\rX", /of two\r\nready> /],
  ] as const) {
    pty.line(line.replace("\n", "\r"));
    await pty.expect(shown);
  }
  pty.line("exit");
  await pty.ended();
  const { stdout } = await typed.run(["show-session"]);
  expect(commandsIn(stdout).map((row) => row.slice(3))).toEqual([
    ["0", "PS1='re''ady> '"],
    ["3", "(exit 3)"],
    ["0|1|0", "echo one | grep -c two | cat"],
    ["0", expect.stringMatching(/^cat <<X\\nof two\\nX/)],
    ["-", "exit"],
  ]);
  const found = await typed.list("--ran", "GREP -c");
  expect(found).toMatchObject([{ command_count: 5, failed_commands: 1 }]);
});

test("list-sessions --ran finds the sessions in which a text ran", async () => {
  const found = async (text: string) =>
    (await sandbox.list("--ran", text)).map(({ session_id }) => session_id);
  expect(await found("make all")).toEqual([id(1)]);
  expect(await found("second\tline")).toEqual([id(1)]);
  expect(await found("never")).toEqual([]);
  expect(await found("")).toEqual([id(1)]);
});

test("list-events has them as they were recorded", async () => {
  const events = async (...flags: string[]) => {
    const run = await sandbox.run(["list-events", ...flags]);
    expect([run.exitCode, run.stderr]).toEqual([0, ""]);
    return run.stdout;
  };
  const all = JSON.parse(await events(id(1), "--json")) as {
    seq: number;
    event: Record<string, unknown>;
  }[];
  const kinds = all.map(({ event }) => event["event_type"]);
  expect(kinds.filter((kind) => kind === "command_start")).toHaveLength(5);
  expect(kinds.filter((kind) => kind === "command_end")).toHaveLength(4);
  expect(kinds).toContain("session_start");
  const starts = await events("00000001", "--kind", "command_start", "-n", "2");
  const cells = starts
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t"));
  expect(cells.map((row) => row.slice(2))).toEqual([
    [id(1), "spool", "command_start", "cat\\x20<<'END'\\nsecond\\tline\\nEND"],
    [
      ...[id(1), "spool", "command_start"],
      "Make\\x20ALL\\x20|\\x20tee\\x20\\x1b[31mlog\\u202e",
    ],
  ]);
  const { seq } = all.at(-2)!;
  const rest = await events(
    id(1),
    "--after-seq",
    `${seq}`,
    "--format",
    "ndjson",
  );
  expect(
    rest
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([all.at(-1)]);
  expect(await events("--after", "2030-01-01", "--json")).toBe("[]\n");
});

test("a server that runs gives the same", async () => {
  const asked = [
    ["show-session", id(1), "--json"],
    ["show-session", id(1), "--failed", "-n", "1"],
    ["list-sessions", "--ran", "MAKE"],
    ["list-events", id(1), "--format", "ndjson"],
  ];
  const answers = () =>
    Array.fromAsync(asked, async (args) => (await sandbox.run(args)).stdout);
  const alone = await answers();
  await using _server = await TestServer.start(sandbox);
  expect(await answers()).toEqual(alone);
});

test("list-events at a terminal is a table that fits it", async () => {
  await using pty = new Pty(sandbox, [BINARY, "list-events"], { columns: 70 });
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
  const rows = pty.text().trimEnd().split("\r\n");
  for (const row of rows) expect(Bun.stringWidth(row)).toBeLessThanOrEqual(70);
  expect(rows[0]).toMatch(/TIME .*EVENT +WHAT/);
  expect(rows.some((row) => row.includes("curl -H ***"))).toBeTrue();
});

test.each([
  [["list-events", "--format", "csv"], "--format takes"],
  [["list-events", "nobody"], "no session 'nobody'"],
  [["list-events", "--after-seq", "x"], "--after-seq takes"],
  [["show-session", "-n", "many"], "--limit takes"],
])("%p says what is wrong", async (args, sentence) => {
  const { exitCode, stderr } = await sandbox.run(args);
  expect(stderr).toContain(sentence);
  expect(exitCode).toBe(args[1] === "nobody" ? 1 : 64);
});
