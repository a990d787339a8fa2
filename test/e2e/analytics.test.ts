/** `session-buddy analytics`, at a terminal, in a pipe, and through a server. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { METRIC_NAMES } from "../../src/model/analytics.ts";
import { end } from "../support/events.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { hook, id, leave, life, lines } from "../support/spool.ts";

const PID = 4_194_000;
const BEGAN = Date.parse("2026-02-06T12:35:00.000Z");
const at = (seconds: number) => BEGAN + seconds * 1_000;
const FEBRUARY = ["--range", "2026-02-05..2026-02-08"];

const sandbox = new Sandbox();
sandbox.env["TZ"] = "NPT-5:45";
beforeAll(async () => {
  for (const n of [1, 2, 3])
    leave(
      sandbox,
      `${id(n)}.ndjson`,
      lines(life(n, ...(n === 3 ? [end(90, { exit_code: 4 })] : []))),
    );
  leave(
    sandbox,
    `${id(1)}.${PID}.commands`,
    [
      hook.header(PID, at(0)),
      hook.start(1, at(1), "make all"),
      hook.end(1, at(91), 2),
      hook.start(2, at(100), "echo \x1b[31m\u202e"),
      hook.end(2, at(101), 1),
    ].join(""),
  );
  await sandbox.list();
});
afterAll(() => sandbox[Symbol.dispose]());

const analytics = async (...args: string[]) => {
  const run = await sandbox.run(["analytics", ...args]);
  expect([run.exitCode, run.stderr]).toEqual([0, ""]);
  return run.stdout;
};
const rowsOf = (text: string) =>
  text
    .split("\n")
    .filter(Boolean)
    .map((row) => row.split("\t"));

test("a pipe gets rows without blanks in their cells", async () => {
  expect(rowsOf(await analytics("sessions", ...FEBRUARY))).toEqual([
    ["2026-02-05", ..."0000000".split("")],
    ["2026-02-06", "3", "0", "1", "2", "1", "2", "2"],
    ["2026-02-07", ..."0000000".split("")],
  ]);
  expect(rowsOf(await analytics("slowest", ...FEBRUARY))).toEqual([
    [
      ...["2026-02-06T18:20:01+05:45", id(1), "les", "host", "90", "2"],
      "make\\x20all",
    ],
    [
      ...["2026-02-06T18:21:40+05:45", id(1), "les", "host", "1", "1"],
      "echo\\x20\\x1b[31m\\u202e",
    ],
  ]);
  expect(await analytics("hosts", "--days", "0")).toBe("");
});

test("the older spelling is the same", async () => {
  const words = await analytics("duration", "--period", "day", ...FEBRUARY);
  const older = ["--metric", "duration", "--period", "daily", ...FEBRUARY];
  expect(await analytics(...older)).toBe(words);
  expect(rowsOf(words)).toHaveLength(3);
  const hours = await analytics("peak-hours", ...FEBRUARY);
  expect(rowsOf(hours)[18]).toEqual(["18", "3", "1", "1", "2"]);
});

test("filters and a limit count", async () => {
  const of = async (...args: string[]) =>
    rowsOf(await analytics("components", ...FEBRUARY, ...args)).length;
  expect(await of("--user", "les", "--component", "bash")).toBe(1);
  expect(await of("--user", "nobody")).toBe(0);
  expect(await of("--type", "channel")).toBe(0);
  const one = await analytics("failing", "-n", "1", ...FEBRUARY);
  expect(rowsOf(one)).toHaveLength(1);
});

test("the report has all of it, and as JSON what was asked", async () => {
  const rows = rowsOf(await analytics("report", ...FEBRUARY));
  const asked = new Set(rows.map(([metric]) => metric));
  // Nobody is in.
  expect([...asked, "active"].sort()).toEqual([...METRIC_NAMES].sort());
  const report = JSON.parse(await analytics("report", "--json", ...FEBRUARY));
  expect(report).toMatchObject({
    ...{ after: "2026-02-04T18:15:00.000Z", period: "day", chosen_by: {} },
    totals: { sessions: 3, failed: 1 },
    components: [{ component_name: "bash", sessions: 3 }],
    timeline: [{ session_id: id(1) }, {}, {}],
  });
});

test("a server answers the same, in our local time", async () => {
  const asked = [
    ...METRIC_NAMES.map((metric) => [metric, "--json"]),
    ["sessions", "--period", "hour", "--user", "les"],
  ];
  // One by one: alone, so many at once would wait for each other too long.
  const answers = () =>
    Array.fromAsync(asked, (args) => analytics(...args, ...FEBRUARY));
  const alone = await answers();
  sandbox.env["TZ"] = "UTC";
  await using _server = await TestServer.start(sandbox);
  sandbox.env["TZ"] = "NPT-5:45";
  expect(await answers()).toEqual(alone);
});

test("a terminal gets a table that fits, with lines and bars", async () => {
  for (const columns of [60, 100])
    for (const what of [...METRIC_NAMES, "report"]) {
      const argv = [BINARY, "analytics", what, ...FEBRUARY];
      await using pty = new Pty(sandbox, argv, { columns });
      expect(await pty.ended()).toEqual({ code: 0, signal: null });
      const shown = pty.text();
      for (const line of shown.split("\r\n"))
        expect([what, line, Bun.stringWidth(line) <= columns]).toEqual([
          ...[what, line, true],
        ]);
      expect(pty.raw()).not.toContain("\x1b[31m");
      if (what === "components") expect(shown).toContain("████████");
      if (what === "sessions") expect(shown).toContain(" █   at most 3\r\n");
      if (what === "report") {
        expect(shown).toContain("3 sessions: 0 active, 1 ended, 2 lost");
        expect(shown).toMatch(/The slowest commands\r\nSTARTED/);
      }
      if (what === "active") expect(shown).toContain("nothing is counted");
    }
}, 400_000);

test.each([
  [[], "analytics needs to know what"],
  [["sesions"], "did you mean sessions?"],
  [["sessions", "--metric", "hosts"], "'sessions' or --metric hosts"],
  [["sessions", "--period", "yearly"], "--period takes hour, day, week, month"],
  [["sessions", "--days", "99999"], "--days takes at most 36500"],
  [["sessions", "--days", "1", "--range", "a..b"], "exclude each other"],
  [["sessions", "--range", "today"], "'today' is not a span of time"],
  [
    ["sessions", "--range", "now..yesterday"],
    "the end is not after the beginning",
  ],
  [["sessions", "--range", "..today"], "--range needs to know where it begins"],
  [["sessions", "--range", "1900-01-01.."], "at most 36500 days"],
  [["sessions", "--days", "999", "--period", "hour"], "10000 periods"],
  [["hosts", "-n", "0"], "--limit takes 1 to 1000"],
  [["hosts", "-n", "1001"], "--limit takes 1 to 1000"],
])("%p says what is wrong", async (args, sentence) => {
  const run = await sandbox.run(["analytics", ...args]);
  expect(run.stderr).toContain(sentence);
  expect([run.exitCode, run.stdout]).toEqual([64, ""]);
});
