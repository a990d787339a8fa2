/** The questions: which sessions there were, and one of them in full. */
import { expect, test } from "bun:test";
import { expectFailure, plant } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import {
  BINARY,
  Sandbox,
  type SessionJson,
  withoutProgress,
} from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";

/** Four sessions, oldest first. */
function four(): { sandbox: Sandbox; ids: string[] } {
  const sandbox = new Sandbox();
  const ids = plant(sandbox, [
    {
      ...{ component: "zsh", at: "2026-02-05T08:00:00.000Z" },
      ...{ signal: "SIGKILL", name: "friday  fix" },
    },
    {
      ...{ component: "mahavishnu", at: "2026-02-06T11:34:56.789Z" },
      exit_code: 0,
    },
    {
      ...{ component: "mahavishnu", at: "2026-02-07T23:30:00.000Z" },
      ...{ end_source: "recovered", username: "root" },
    },
    {
      ...{ component: "python", at: "2026-02-08T09:00:00.000Z" },
      ...{ end_source: null, session_type: "ci" },
    },
  ]);
  return { sandbox, ids };
}

/** Flags, and which of the four they choose, newest first. */
const FILTERS: [string, number[]][] = [
  ["", [3, 2, 1, 0]],
  ["--type admin_shell", [2, 1, 0]],
  ["--type ci", [3]],
  ["--type none", []],
  ["--component mahavishnu", [2, 1]],
  ["--component=zsh", [0]],
  ["--component maha%", []],
  ["--user les", [3, 1, 0]],
  ["--user root --component mahavishnu", [2]],
  ["--status active", [3]],
  ["--status ended", [1, 0]],
  ["--status lost", [2]],
  ["--incomplete", [3, 2]],
  ["--incomplete --type admin_shell", [2]],
  ["--limit 1", [3]],
  ["-n 2", [3, 2]],
  ["-n3 --type admin_shell", [2, 1, 0]],
  ["--limit 0", []],
  ["--after 2026-02-06", [3, 2, 1]],
  ["--since 2026-02-06T11:34:56.789Z", [3, 2, 1]],
  ["--after 2026-02-06T11:34:56.790Z", [3, 2]],
  ["--before 2026-02-06T11:34:56.789Z", [0]],
  ["--until 2026-02-06T11:34:56.790Z", [1, 0]],
  // Half past midnight of the 8th in Berlin.
  ["--before 2026-02-08", [1, 0]],
  ["--after 2026-02-08", [3, 2]],
  ["--after 2026-02-05T09:00:00+01:00 --before 2026-02-06", [0]],
  ["--before yesterday", [3, 2, 1, 0]],
  ["--after '2 hours ago'", []],
];

/** So many tests share the runs that all of them need. */
const PARTS = 4;

test.each(Array.from({ length: PARTS }, (_, part) => part))(
  "every filter chooses what it says, newest first: part %d",
  async (part) => {
    const { sandbox, ids } = four();
    using _ = sandbox;
    const env = { TZ: "Europe/Berlin" };
    for (const [flags, chosen] of FILTERS.filter(
      (_, i) => i % PARTS === part,
    )) {
      const wanted = chosen.map((i) => ids[i]!);
      const ask = (more: string) =>
        sandbox.command(
          ["bash", "-c", `${BINARY} list-sessions ${flags} ${more}`],
          { env },
        );
      const rows = await ask("");
      expect(rows).toMatchObject({ exitCode: 0, stderr: "" });
      const listed = rows.stdout.split("\n").slice(0, -1);
      expect({ flags, ids: listed.map((row) => row.split("\t")[0]) }).toEqual({
        flags,
        ids: wanted,
      });
      if (flags.length % 3) continue;
      for (const json of ["--json", "--format json", "--json --format=json"]) {
        const { stdout, stderr } = await ask(json);
        const sessions = JSON.parse(stdout) as SessionJson[];
        expect(sessions.map((s) => s.session_id)).toEqual(wanted);
        expect(stderr).toBe("");
      }
    }
  },
);

test("a pipe gets cells without blanks, times with their zone, and - for the unknown", async () => {
  const { sandbox, ids } = four();
  using _ = sandbox;
  const { stdout } = await sandbox.run(["ls"], {
    env: { TZ: "Europe/Berlin", COLORTERM: "truecolor", FORCE_COLOR: "1" },
  });
  const [active, lost, ended, killed] = stdout.split("\n");
  expect(ended).toBe(
    `${ids[1]}\tmahavishnu\tles\thost\t2026-02-06T12:34:56+01:00\t1m30s\tended\t0`,
  );
  expect(killed).toBe(
    `${ids[0]}\tzsh\tles\thost\t2026-02-05T09:00:00+01:00\t1m30s\tended\tSIGKILL`,
  );
  expect(lost).toBe(
    `${ids[2]}\tmahavishnu\troot\thost\t2026-02-08T00:30:00+01:00\t1m30s\tlost\t-`,
  );
  expect(active).toMatch(
    new RegExp(
      `^${ids[3]}\tpython\tles\thost\t2026-02-08T10:00:00\\+01:00\t\\d+d\\d\\dh\tactive\t-$`,
    ),
  );
});

test("nothing found is no rows, or an empty array, and no error", async () => {
  using sandbox = new Sandbox();
  for (const flags of [[], ["--component", "none"], ["--format", "table"]]) {
    const run = await sandbox.run(["list-sessions", ...flags]);
    expect(run).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    const json = await sandbox.run([
      "list-sessions",
      ...flags.slice(0, 0),
      "--json",
    ]);
    expect(json).toMatchObject({ exitCode: 0, stdout: "[]\n", stderr: "" });
  }
  await using pty = new Pty(sandbox, [BINARY, "list-sessions"]);
  await pty.expect("session-buddy: no sessions match");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
});

test("a reader that goes away ends it quietly, at thousands of rows", async () => {
  using sandbox = new Sandbox();
  plant(
    sandbox,
    Array.from({ length: 6_000 }, (_, i) => ({ component: `c${i}` })),
  );
  expect(await sandbox.list()).toHaveLength(6_000);
  for (const [words, lines] of [
    ["list-sessions | head -1", 1],
    ["list-sessions --json | head -2", 2],
    ["list-sessions | sed 7q", 7],
    ["list-sessions --help | true", 0],
    ["shell --help | true", 0],
    ["help | true", 0],
    ["list-sessions | cat", 6_000],
  ] as const) {
    const script = `${BINARY} ${words}; echo "\${PIPESTATUS[@]}" >&2`;
    const run = await sandbox.command(["bash", "-c", script]);
    expect({ words, stderr: run.stderr }).toEqual({ words, stderr: "0 0\n" });
    expect(run.stdout.split("\n")).toHaveLength(lines + 1);
  }
});

test("output to a full disk is an error, not success", async () => {
  const { sandbox } = four();
  using _ = sandbox;
  for (const words of [
    ...["list-sessions", "list-sessions --json", "show-session", "--version"],
    ...["--help", "list-sessions --help", "shell --help", "help shell"],
  ]) {
    const script = `${BINARY} ${words} >/dev/full`;
    const run = await sandbox.command(["sh", "-c", script]);
    expectFailure(run, 1, /the output cannot be written: ENOSPC/);
  }
});

test("at a terminal there is a header, columns are aligned, and the newest 50 shown", async () => {
  if (!needs("script")) return;
  using sandbox = new Sandbox();
  plant(
    sandbox,
    Array.from({ length: 51 }, (_, i) => ({
      component: "x".repeat(1 + (i % 20)),
      username: i % 2 ? "les" : "レス",
      end_source: i % 3 ? "observed" : "recovered",
      at: `2026-02-06T11:34:${String(i).padStart(2, "0")}.000Z`,
    })),
  );
  const show = async (words: string, env = {}) => {
    const command = `${BINARY} ${words} 2>err; cat err`;
    const run = ["script", "-qec", command, "/dev/null"];
    const { stdout } = await sandbox.command(run, { env });
    const text = withoutProgress(stdout.replaceAll("\r\n", "\n"));
    return text.split("\n").slice(0, -1);
  };
  const colored = await show("list-sessions");
  expect(colored.at(-1)).toBe(
    "session-buddy: only the newest 50 are shown (see --limit)",
  );
  const lines = colored.slice(0, -1);
  const titles = "SESSION ID COMPONENT USER HOST STARTED DURATION STATUS EXIT";
  expect(lines[0]!.split(/ {2,}/)).toEqual(
    titles
      .replace("SESSION ID", "SESSION\0ID")
      .split(" ")
      .map((t) => t.replace("\0", " ")),
  );
  expect(lines).toHaveLength(51);
  const before = (line: string, word: RegExp) =>
    Bun.stringWidth(Bun.stripANSI(line).split(word)[0]!);
  for (const line of lines)
    expect(before(line, /STATUS|ended|lost/)).toBe(before(lines[0]!, /STATUS/));
  expect(
    lines.filter((line) => line.includes("\x1b[33mlost\x1b[0m")),
  ).toHaveLength(16);
  for (const plain of [
    await show("list-sessions --no-color"),
    await show("list-sessions", { NO_COLOR: "1" }),
  ])
    expect(plain).toEqual(colored.map((line) => Bun.stripANSI(line)));
  expect(await show("list-sessions --limit 51")).toHaveLength(52);
  expect(await show("list-sessions --limit 50")).toHaveLength(51);
  expect(await show("list-sessions --json")).toHaveLength(53);
});

test("help is a result: on stdout, with flags and examples", async () => {
  using sandbox = new Sandbox();
  const help = async (...words: string[]) => {
    const run = await sandbox.run(words);
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(run.stdout).toMatch(/^\S.*\n\nUSAGE  session-buddy .*\n/);
    expect(run.stdout).toMatch(/\n\nEXAMPLES?\n( {2}.*session-buddy.*\n)+$/);
    expect(run.stdout).not.toContain("\x1b");
    for (const line of run.stdout.split("\n"))
      expect(Bun.stringWidth(line)).toBeLessThanOrEqual(80);
    return run.stdout;
  };
  const overview = await help("--help");
  expect([
    await help("-h"),
    await help("help"),
    await help("help", "-h"),
  ]).toEqual([overview, overview, overview]);
  const names = [...overview.matchAll(/^  (\S+(?: \S+)?) {2,}[A-Z]/gm)];
  expect(names.length).toBeGreaterThan(15);
  for (const [, name] of names) {
    const words = name!.split(" ");
    const text = await help(...words, "--help");
    expect(text).toContain("  -h, --help ");
    expect(await help(...words, "-h")).toBe(text);
    expect(await help("help", ...words)).toBe(text);
  }
  expect(await help("mcp", "-h")).toBe(await help("help", "mcp"));
  expect(await help("ls", "--json", "-h")).toBe(await help("help", "ls"));
  expect(await help("list-sessions", "-h")).toContain("--after, --since TIME");
  const argument = await sandbox.run(["show-session", "--", "--help"]);
  expectFailure(argument, 1, /no session '--help'/);
});

test("a session is found by its id, a unique prefix, its last 8 hex, or by being in it", async () => {
  const { sandbox, ids } = four();
  using _ = sandbox;
  const shown = async (...words: string[]) => {
    const { stdout, stderr } = await sandbox.run(["show-session", ...words]);
    return /^session_id: +(\S+)/.exec(stdout)?.[1] ?? stderr;
  };
  const id = ids[1]!;
  expect(await shown(id)).toBe(id);
  expect(await shown("mahavishnu-20260206")).toBe(id);
  expect(await shown(id.slice(-8))).toBe(id);
  expect(await shown("z")).toBe(ids[0]!);
  expect(await shown()).toBe(ids[3]!);
  for (const alias of ["show", "get-session"])
    expect((await sandbox.run([alias, id])).stdout).toStartWith(
      `session_id:         ${id}\nsession_type:       admin_shell\n`,
    );
  const none = await sandbox.run(["show-session", "maha-2"]);
  expectFailure(
    none,
    1,
    /no session 'maha-2' \(try: session-buddy list-sessions\)/,
  );
  const two = await sandbox.run(["show-session", "maha"]);
  expectFailure(two, 1, /'maha' may mean 2 sessions/);
  expect(two.stderr).toContain(`(give more of the id: ${ids[2]}, ${ids[1]})`);
  plant(
    sandbox,
    Array.from({ length: 11 }, () => ({})),
  );
  const many = await sandbox.run(["show-session", "plan"]);
  expectFailure(many, 1, /'plan' may mean more than 10 sessions/);
  expect(many.stderr.split("planted-")).toHaveLength(11);

  const inside = await sandbox.run([
    ...["shell", "--component", "inside", "--"],
    ...[BINARY, "show-session", "--json"],
  ]);
  expect(JSON.parse(inside.stdout)).toMatchObject({
    component: "inside",
    status: "active",
  });
  for (const stale of ["inside-20260101-000000-00000000", "../../etc", ""]) {
    const env = { SESSION_BUDDY_SESSION_ID: stale };
    const { stdout } = await sandbox.run(["show-session", "--json"], { env });
    expect((JSON.parse(stdout) as SessionJson).component_name).toBe("inside");
  }
});

test("without any session, show-session says how to get one", async () => {
  using sandbox = new Sandbox();
  const run = await sandbox.run(["show-session"]);
  expectFailure(run, 1, /no session has been recorded yet \(try: .* shell\)/);
});

test("the detail has every field a line, then the metadata; JSON is list's row and its commands", async () => {
  const { sandbox, ids } = four();
  using _ = sandbox;
  const env = { TZ: "Europe/Berlin" };
  const { stdout } = await sandbox.run(["show-session", ids[1]!], { env });
  const [row] = await sandbox.list("--limit", "1", "--before", "2026-02-07");
  const { stdout: json } = await sandbox.run([
    ...["show-session", ids[1]!, "--format", "json"],
  ]);
  expect(JSON.parse(json)).toEqual({ ...row, commands: [] });
  const lines = stdout.split("\n");
  const at = lines.indexOf("metadata:");
  const keys = lines
    .slice(0, at)
    .map((line) => line.slice(0, line.indexOf(":")));
  const {
    metadata,
    component: _c,
    ...fields
  } = row as SessionJson & {
    component: string;
  };
  expect(keys).toEqual(
    Object.keys(fields).map((key) => key.replace(/_seconds$/, "")),
  );
  // What is a field stands there alone.
  const own = Object.keys(metadata).filter((key) => !(key in fields));
  expect(lines.slice(at + 1, -1)).toHaveLength(own.length);
  expect(stdout).toContain("start_time:         2026-02-06T12:34:56+01:00\n");
  expect(stdout).toContain("duration:           1m30s\n");
  expect(stdout).toContain("signal:             -\n");
  expect(stdout).toContain("\nmetadata:\n  version: -\n  adapters: []\n");
});
