/** Who was in and who is, as last(1) and who(1) have it. */
import { expect, test } from "bun:test";
import { expectFailure, plant } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { hook, id, leave, life, lines } from "../support/spool.ts";

const TZ = "Europe/Berlin";

/** One that ended, one by a signal past midnight, one that is lost. */
function planted(sandbox: Sandbox): string[] {
  sandbox.env["TZ"] = TZ;
  return plant(sandbox, [
    { at: "2026-02-06T11:34:56.000Z", username: "les", exit_code: 3 },
    {
      ...{ at: "2026-02-06T22:59:00.000Z", username: "ro ot" },
      ...{ signal: "SIGHUP", component: "zsh" },
    },
    { at: "2026-02-08T08:00:00.000Z", end_source: "recovered" },
  ]);
}

async function screen(sandbox: Sandbox, ...argv: string[]): Promise<string[]> {
  await using pty = new Pty(sandbox, [BINARY, ...argv], { columns: 150 });
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
  const text = Bun.stripANSI(pty.withoutProgress());
  return text.trimEnd().split("\r\n");
}

test("last shows who was in, newest first, and how it ended", async () => {
  using sandbox = new Sandbox();
  const [ended, killed, lost] = planted(sandbox) as [string, string, string];
  await sandbox.list();
  const lines = await screen(sandbox, "last");
  expect(lines[0]).toMatch(/^USER +TTY +HOST +STARTED +ENDED +DURATION +/);
  const rows = lines.slice(1).map((line) => line.split(/ {2,}/));
  expect(rows.map((row) => row.slice(0, 6))).toEqual([
    ["les", "-", "host", "Sun 2026-02-08 09:00", "lost 09:01", "1m30s"],
    [
      "ro\\x20ot",
      "-",
      "host",
      "Fri 2026-02-06 23:59",
      "2026-02-07 00:00",
      "1m30s",
    ],
    ["les", "-", "host", "Fri 2026-02-06 12:34", "12:36", "1m30s"],
  ]);
  expect(rows.map((row) => row.at(-1))).toEqual([lost, killed, ended]);
  const { stdout } = await sandbox.run(["last", "1"]);
  expect(stdout).toBe(
    `les\t-\thost\t2026-02-08T09:00:00+01:00\t2026-02-08T09:01:30+01:00\t1m30s\tlost\t-\tplanted\t${lost}\n`,
  );
  const two = await sandbox.run(["last", "2", "--failed", "--json"]);
  expect(
    (JSON.parse(two.stdout) as { session_id: string }[]).map(
      ({ session_id }) => session_id,
    ),
  ).toEqual([killed, ended]);
  const then = ["last", "--at", "2026-02-06 12:35", "--columns", "session_id"];
  expect((await sandbox.run(then)).stdout).toBe(`${ended}\n`);
  expectFailure(await sandbox.run(["last", "les"]), 64, /last takes a whole/);
  expectFailure(
    await sandbox.run(["last", "3", "-n", "3"]),
    64,
    /a count and --limit/,
  );
});

test("where nobody is, a person is told of which time, as it was understood", async () => {
  using sandbox = new Sandbox();
  planted(sandbox);
  await sandbox.list();
  const future = "which is in the future";
  for (const [argv, said] of [
    ["who", "nobody is in now"],
    ["who --host ops-1", "nobody that matches is in now"],
    ["who --status active", "no sessions match"],
    ["who --at 2026-02-05T14:05", "nobody was in at 2026-02-05 14:05"],
    [
      "who --user les --at @1770000000",
      "nobody that matches was in at 2026-02-02 03:40",
    ],
    [
      "who --during 2026-02-05T23:30..00:30:01",
      "nobody was in during 2026-02-05 23:30 .. 2026-02-06 00:30:01",
    ],
    [
      "who --component none --at 9999-01-01",
      `nobody that matches was in at 9999-01-01 00:00, ${future}`,
    ],
    [
      "list-sessions --during 2026-02-05T14:00..14:30",
      "no sessions match (during 2026-02-05 14:00 .. 14:30)",
    ],
    [
      "ls --after 9999-01-01",
      `no sessions match (since 9999-01-01 00:00, ${future})`,
    ],
    ["last --before 2026-02-06", "no sessions match (before 2026-02-06 00:00)"],
    [
      "search x --before 2026-02-06",
      "nothing matches (before 2026-02-06 00:00)",
    ],
    [
      "list-events --after 9999-01-01",
      `no events match (since 9999-01-01 00:00, ${future})`,
    ],
  ] as const)
    expect([argv, await screen(sandbox, ...argv.split(" "))]).toEqual([
      argv,
      [`session-buddy: ${said}`],
    ]);
  const at = ["who", "--at", "2026-02-05"];
  expect(await sandbox.run(at)).toMatchObject({ stdout: "", stderr: "" });
});

test("who shows who is in with what was typed last, or who was in then", async () => {
  using sandbox = new Sandbox();
  const [ended] = planted(sandbox) as [string];
  await sandbox.list();
  expect(await sandbox.run(["who"])).toMatchObject({ stdout: "", stderr: "" });
  await using shell = new Pty(sandbox, [BINARY, "shell", "--", "bash", "-i"]);
  await shell.expect(/[$#] $/);
  shell.line("echo here; sleep 1000");
  await shell.expect("here\r\n");
  const { session_id, tty } = (await sandbox.list("--active"))[0]!;
  // Who asks for 14:05 in the morning shall see which day it is.
  const to_come = await screen(sandbox, "who", "--at", "9999-01-01");
  expect(to_come).toHaveLength(3);
  expect(to_come[2]).toBe("session-buddy: 9999-01-01 00:00 is in the future");
  const lines = await screen(sandbox, "who");
  expect(lines[0]).toMatch(/^USER +TTY +HOST +SINCE +DURATION +/);
  expect(lines).toHaveLength(2);
  const row = lines[1]!.split(/ {2,}/);
  expect(row[1]).toBe(tty!.replace("/dev/", ""));
  expect(row[3]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d$/);
  expect(row.slice(-3)).toEqual(["bash", session_id, "echo here; sleep 1000"]);
  const ids = async (...flags: string[]) =>
    (await sandbox.run(["who", ...flags, "--columns", "session_id"])).stdout;
  expect(await ids()).toBe(`${session_id}\n`);
  expect(await ids("--at", "2026-02-06 12:35")).toBe(`${ended}\n`);
  expect(await ids("--host", "nowhere")).toBe("");
});

test.each([false, true])(
  "who at a moment has what had begun by then, not what came later (served: %p)",
  async (served) => {
    using sandbox = new Sandbox();
    sandbox.env["TZ"] = "UTC";
    const on = (time: string) => Date.parse(`2026-02-${time}Z`);
    for (const n of [1, 2, 3])
      leave(sandbox, `${id(n)}.ndjson`, lines(life(n)));
    leave(
      sandbox,
      `${id(1)}.101.commands`,
      hook.header(101, on("06T13:00")) +
        hook.start(1, on("06T14:01"), "make all") +
        hook.end(1, on("06T14:02"), 2) +
        hook.start(2, on("08T14:05"), "reboot") +
        hook.end(2, on("10T15:00"), 0),
    );
    leave(
      sandbox,
      `${id(2)}.102.commands`,
      hook.header(102, on("06T13:00")) +
        hook.start(1, on("06T14:03"), "", { mark: "private" }) +
        hook.end(1, on("06T14:03"), 0) +
        hook.start(2, on("06T14:04"), "x".repeat(600)) +
        hook.end(2, on("10T15:00"), 0),
    );
    await using _server = served ? await TestServer.start(sandbox) : undefined;
    await sandbox.list();
    const then = async (at: string, ...flags: string[]) => {
      const columns = ["--columns", "session_id,last_command", ...flags];
      const { stdout, stderr } = await sandbox.run([
        ...["who", "--at", `2026-02-${at}`, ...columns],
      ]);
      expect(stderr).toBe("");
      const rows = stdout.trim().split("\n");
      return Object.fromEntries(rows.map((row) => row.split("\t")));
    };
    const idle = { [id(3)]: "-" };
    expect(await then("06 12:34:57")).toEqual({
      ...{ ...idle, [id(1)]: "-", [id(2)]: "-" },
    });
    expect(await then("06 14:01", "--host", "host")).toEqual({
      ...{ ...idle, [id(1)]: "make\\x20all", [id(2)]: "-" },
    });
    expect(await then("06 14:03:30", "--user", "les")).toEqual({
      ...{ ...idle, [id(1)]: "make\\x20all", [id(2)]: "-" },
    });
    // Of one that did nothing for a day, too.
    expect(await then("08 14:04")).toEqual({
      ...{ ...idle, [id(1)]: "make\\x20all", [id(2)]: "x".repeat(500) },
    });
    expect(await then("08 14:05", "--limit", "1")).toEqual({
      [id(1)]: "reboot",
    });
    expect(await then("06 14:03:30", "--component", "nothing")).toEqual({
      "": undefined,
    });
    const { stdout } = await sandbox.run([
      ...["who", "--at", "2026-02-06 14:02", "--json"],
    ]);
    expect(
      (JSON.parse(stdout) as { last_command: string }[]).map(
        ({ last_command }) => last_command,
      ),
    ).toContain("make all");
  },
);
