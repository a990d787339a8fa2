/** `session-buddy list-commands`: what ran, what failed, by whom and where. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { start } from "../support/events.ts";
import { expectFailure } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { GONE, hook, id, leave, life, lines } from "../support/spool.ts";

const BEGAN = Date.parse("2026-02-06T14:00:00.000Z");
const at = (minutes: number) => BEGAN + minutes * 60_000;

for (const served of [false, true])
  describe(served ? "with a server" : "without a server", () => {
    const sandbox = new Sandbox();
    let server: TestServer | null = null;

    beforeAll(async () => {
      leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
      const user = { username: "ann", home: "/home/ann" };
      const ours = { ...GONE, session_id: id(2), hostname: hostname(), user };
      leave(sandbox, `${id(2)}.ndjson`, lines([start(ours)]));
      leave(
        sandbox,
        `${id(1)}.101.commands`,
        hook.header(101, at(0)) +
          hook.start(1, at(1), "make all", { cwd: "/srv/www" }) +
          hook.end(1, at(1.5), 2) +
          hook.start(2, at(5), "", { mark: "private" }) +
          hook.end(2, at(5), 0) +
          hook.start(3, at(30), "vim \x1b[31mred\nsecond"),
      );
      leave(
        sandbox,
        `${id(2)}.102.commands`,
        hook.header(102, at(0)) +
          hook.start(1, at(10), "systemctl restart nginx") +
          hook.end(1, at(11), 1),
      );
      if (served) server = await TestServer.start(sandbox);
      await sandbox.list();
    });
    afterAll(async () => {
      await server?.[Symbol.asyncDispose]();
      sandbox[Symbol.dispose]();
    });

    const list = async (...args: string[]) => {
      const ran = await sandbox.run(["list-commands", ...args]);
      expect([args, ran.exitCode, ran.stderr]).toEqual([args, 0, ""]);
      return ran.stdout;
    };
    const VIM = "vim\\x20\\x1b[31mred\\nsecond";
    const RESTART = "systemctl\\x20restart\\x20nginx";
    const MAKE = "make\\x20all";

    test("a pipe has who ran it where, when, for how long, and how it ended", async () => {
      expect((await list()).split("\n").map((row) => row.split("\t"))).toEqual([
        [
          ...[
            ...["2026-02-06T14:30:00+00:00", "les", "host", id(1)],
            // Until its session's end; nobody saw its own.
            ...[expect.stringMatching(/^[\d.]+$/), "-", VIM],
          ],
        ],
        [
          ...["2026-02-06T14:10:00+00:00", "ann", hostname(), id(2), "60", "1"],
          RESTART,
        ],
        [
          ...["2026-02-06T14:05:00+00:00", "les", "host", id(1), "0", "0"],
          "(private)",
        ],
        [
          ...["2026-02-06T14:01:00+00:00", "les", "host", id(1), "30", "2"],
          MAKE,
        ],
        [""],
      ]);
    });

    test.each<[string[], string[]]>([
      [["--failed"], [RESTART, MAKE]],
      [["--failed", "--host", "."], [RESTART]],
      [["--exit", "2"], [MAKE]],
      [["--text", "RESTART"], [RESTART]],
      [
        ["--user", "les", "-n", "2"],
        [VIM, "(private)"],
      ],
      [["--host", "host", "--failed"], [MAKE]],
      [["--component", "nothing"], []],
      [["--cwd", "/srv/www"], [MAKE]],
      [["00000002"], [RESTART]],
      [
        ["--during", "2026-02-06 14:05..14:11"],
        [RESTART, "(private)"],
      ],
      [["--during", "..2026-02-06 14:05"], [MAKE]],
      // Begun before, and ended within.
      [
        ["--during", "2026-02-06 14:01:10..2026-02-06 14:05", "--failed"],
        [MAKE],
      ],
      [["--during", "2026-02-06 14:10:30..2026-02-06 14:30"], [RESTART]],
      [["--at", "2026-02-06 14:10:30"], [RESTART]],
      [["--at", "2026-02-06 14:01"], [MAKE]],
      [["--at", "2026-02-06 14:01:30", "--user", "les"], [MAKE]],
      [["--at", "2026-02-06 14:01:31"], []],
      [["--at", "2026-02-06 14:40"], [VIM]],
      [
        ["--after", "2026-02-06 14:10"],
        [VIM, RESTART],
      ],
      // Nobody saw its end: that of its session is when it was heard of last, just now.
      [["--last", "1h"], [VIM]],
      [["--last", "1h", "--user", "ann"], []],
    ])("%p pick %p", async (flags, wanted) => {
      const rows = (await list(...flags)).split("\n").filter(Boolean);
      expect(rows.map((row) => row.split("\t").at(-1)!)).toEqual(wanted);
    });

    test("other forms have all of each", async () => {
      const [vim, restart] = JSON.parse(await list("--json")) as object[];
      expect(vim).toMatchObject({ exit_code: null, username: "les" });
      expect(restart).toEqual({
        ...{ session_id: id(2), username: "ann", hostname: hostname() },
        ...{ event_seq: expect.any(Number), seq: 1, pid: 102, depth: null },
        ...{ text: "systemctl restart nginx", cwd: "/srv", mark: null },
        start_time: "2026-02-06T14:10:00.000Z",
        end_time: "2026-02-06T14:11:00.000Z",
        ...{ duration_seconds: 60, exit_code: 1, pipe_status: null },
      });
      expect(
        (await list("--format", "ndjson")).trim().split("\n"),
      ).toHaveLength(4);
      expect(await list("-o", "failed.csv", "--failed")).toBe("");
      const csv = readFileSync(join(sandbox.home, "failed.csv"), "utf8");
      const [header, first] = csv.split("\r\n");
      expect(header).toStartWith("session_id,username,hostname,event_seq,seq,");
      expect(first).toStartWith(`${id(2)},ann,${hostname()},`);
    });
  });

test("a person has a table, of a command the first line, and is told when there is none", async () => {
  using sandbox = new Sandbox();
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
  const file =
    hook.header(101, at(0)) +
    hook.start(1, at(1), "cat <<E\nsecond\nE") +
    hook.end(1, at(2.5), 0);
  leave(sandbox, `${id(1)}.101.commands`, file);
  await using pty = new Pty(sandbox, [BINARY, "list-commands"]);
  await pty.ended();
  expect(pty.text().replaceAll("\r", "")).toBe(`\
TIME                 USER  HOST  SESSION ID                   DURATION  EXIT  TEXT
2026-02-06 14:01:00  les   host  ${id(1)}  1m30s     0     cat <<E (+2 lines)
`);
  await using none = new Pty(sandbox, [BINARY, "list-commands", "--failed"]);
  await none.expect("session-buddy: no commands match\r\n");
  const then = ["list-commands", "--during", "2026-02-07 14:00..14:30"];
  await using span = new Pty(sandbox, [BINARY, ...then]);
  await span.expect(
    "session-buddy: no commands match (during 2026-02-07 14:00 .. 14:30)\r\n",
  );
  const moment = ["list-commands", "--at", "2026-02-06 14:30"];
  await using idle = new Pty(sandbox, [BINARY, ...moment]);
  await idle.expect("no commands match (at 2026-02-06 14:30)");
});

test("what is wrong is said in a sentence", async () => {
  using sandbox = new Sandbox();
  for (const [args, status, sentence] of [
    [["--during", "today"], 64, /'today' is not a span of time/],
    [
      ["--during", "-2h..", "--after", "-1h"],
      64,
      /--at, --during, --last, and --after with --before, each ask for a time/,
    ],
    [["--at", "now", "--last", "1h"], 64, /give one of them/],
    [["--at", "noon"], 64, /'noon' is not a time/],
    [["--last", "1h", "--before", "today"], 64, /give one of them/],
    [["--last", "soon"], 64, /is not a length of time/],
    [["--exit", "x"], 64, /--exit takes an exit status, not 'x'/],
    [["--cwd", ""], 64, /the folder is empty/],
    [[""], 64, /the session's id is empty/],
    [["--format", "parquet"], 64, /--format takes table, json, ndjson, csv/],
    [["nosuch"], 1, /no session 'nosuch' \(for commands .*: --text nosuch; /],
    [["make all"], 1, /--text 'make all'; for sessions: .*list-sessions\)/],
    [["it's"], 1, /--text 'it'\\''s'; /],
    [["x".repeat(100)], 1, /--text TEXT; /],
  ] as const)
    expectFailure(
      await sandbox.run(["list-commands", ...args]),
      status,
      sentence,
    );
});
