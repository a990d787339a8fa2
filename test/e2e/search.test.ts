/** `session-buddy search`, at a terminal, in a pipe, and through a server. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { hook, id, leave, life, lines } from "../support/spool.ts";

const PID = 4_194_000;
const BEGAN = Date.parse("2026-02-06T12:35:00.000Z");
const at = (seconds: number) => BEGAN + seconds * 1_000;
const LONG = `echo ${"x".repeat(300)} needle after much`;

const sandbox = new Sandbox();
beforeAll(async () => {
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
  leave(
    sandbox,
    `${id(1)}.${PID}.commands`,
    [
      hook.header(PID, at(0)),
      hook.start(1, at(1), "grep NEEDLE /etc/hay"),
      hook.end(1, at(1.25), 1),
      hook.start(2, at(2), "echo \x1b[31mneedle\u202e # in a\nline"),
      hook.end(2, at(92), 0),
      hook.start(3, at(100), LONG),
    ].join(""),
  );
  await sandbox.list();
});
afterAll(() => sandbox[Symbol.dispose]());

const search = async (...args: string[]) => {
  const { exitCode, stdout, stderr } = await sandbox.run(["search", ...args]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return stdout;
};

test("a pipe gets rows without blanks in their cells, and the whole text", async () => {
  const rows = (await search("needle"))
    .trimEnd()
    .split("\n")
    .map((row) => row.split("\t"));
  expect(rows).toEqual([
    [
      ...["2026-02-06T12:36:40+00:00", id(1), "les", "host", "-", "command"],
      LONG.replaceAll(" ", "\\x20"),
    ],
    [
      ...["2026-02-06T12:35:02+00:00", id(1), "les", "host", "0", "command"],
      "echo\\x20\\x1b[31mneedle\\u202e\\x20#\\x20in\\x20a\\nline",
    ],
    [
      ...["2026-02-06T12:35:01+00:00", id(1), "les", "host", "1", "command"],
      "grep\\x20NEEDLE\\x20/etc/hay",
    ],
  ]);
  expect(await search("nothing of it")).toBe("");
  expect(await search("nothing of it", "--json")).toBe("[]\n");
});

test("JSON has the same rows, and what matches", async () => {
  const hits = JSON.parse(await search("--regex", "NEE.|h.y", "--json"));
  expect(hits).toMatchObject([
    {
      ...{ session_id: id(1), component_name: "bash", field: "command" },
      ...{ time: "2026-02-06T12:35:01.000Z", exit_code: 1 },
      ...{ text: "grep NEEDLE /etc/hay", matches: ["NEED", "hay"] },
    },
  ]);
  const lines = (await search("needle", "--format", "ndjson", "-n", "2"))
    .trimEnd()
    .split("\n");
  expect(lines.map((line) => JSON.parse(line).exit_code)).toEqual([null, 0]);
  expect(lines[1]).toContain("\\u001b[31mneedle\\u202e");
});

test("CSV has the same rows, and a file is written in the format of its name", async () => {
  const csv = await search("needle", "--format", "csv", "-n", "2");
  expect(csv).toBe(
    [
      "session_id,component_name,username,hostname,field,time,text,matches,exit_code,event_seq,recording_ms,recording_line",
      `${id(1)},bash,les,host,command,2026-02-06T12:36:40.000Z,${LONG},"[""needle""]",,5,,`,
      `${id(1)},bash,les,host,command,2026-02-06T12:35:02.000Z,echo \\x1b[31mneedle\\u202e # in a\\nline,"[""needle""]",0,3,,`,
      "",
    ].join("\r\n"),
  );
  const file = join(sandbox.home, "hits.csv");
  expect(await search("needle", "-n", "2", "-o", file)).toBe("");
  expect(readFileSync(file, "utf8")).toBe(csv);
  const lines = join(sandbox.home, "hits.ndjson");
  await search("needle", "--output", lines);
  expect(readFileSync(lines, "utf8").split("\n")).toHaveLength(4);
});

test("a server answers the same", async () => {
  const asked = [
    ["needle"],
    ["needle", "--json", "--user", "les", "--host", "host"],
    ["--regex", "^grep|needle$", "--component", "bash"],
    ["needle", "--after", "2026-02-06T12:35:02Z", "--before", "@1770381400"],
    ["needle", "--user", "nobody"],
  ];
  const answers = () => Array.fromAsync(asked, (args) => search(...args));
  const alone = await answers();
  expect(alone.map((text) => text.split("\n").length > 1)).toEqual([
    ...[true, true, true, true, false],
  ]);
  await using _server = await TestServer.start(sandbox);
  expect(await answers()).toEqual(alone);
});

test("at a terminal it is a table that fits, with what matches marked in sight", async () => {
  await using pty = new Pty(sandbox, [BINARY, "search", "needle"], {
    columns: 92,
  });
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
  const rows = pty.withoutProgress().trimEnd().split("\r\n");
  for (const row of rows) expect(Bun.stringWidth(row)).toBeLessThanOrEqual(92);
  expect(rows).toHaveLength(4);
  expect(rows[0]).toMatch(/^TIME +SESSION ID .*TEXT/);
  expect(rows[1]).toContain(`…${"x".repeat(19)} \x1b[1;31mneedle\x1b[0m aft…`);
  expect(rows[2]).toContain("\\x1b[31m\x1b[1;31mneedle\x1b[0m\\u202e");
  expect(rows[3]).toContain("grep \x1b[1;31mNEEDLE\x1b[0m /etc");
});

test("without colours nothing is marked", async () => {
  for (const [flags, env] of [
    [["--no-color"], {}],
    [[], { NO_COLOR: "1" }],
  ] as const) {
    const argv = [BINARY, "search", "needle", ...flags];
    await using pty = new Pty(sandbox, argv, { env });
    expect(await pty.ended()).toEqual({ code: 0, signal: null });
    expect(pty.withoutProgress()).toContain("NEEDLE");
    expect(pty.withoutProgress()).not.toContain("\x1b");
  }
});

test.each([
  [[], "search needs a text"],
  [[""], "search needs a text"],
  [["--regex", "a("], "'a(' is no regular expression: missing ): a("],
  [["a", "--format", "xml"], "--format takes table, json, ndjson, csv"],
  [["a", "-n", "many"], "--limit takes"],
  [["a", "--after", "soon"], "'soon' is not a time"],
  [["a", "b"], "search takes no word 'b'"],
])("%p says what is wrong", async (args, sentence) => {
  const { exitCode, stdout, stderr } = await sandbox.run(["search", ...args]);
  expect(stderr).toContain(sentence);
  expect([exitCode, stdout]).toEqual([64, ""]);
  await using _server = await TestServer.start(sandbox);
  const served = await sandbox.run(["search", ...args]);
  expect(served).toMatchObject({ exitCode: 64 });
  expect(served.stderr).toContain(sentence);
});
