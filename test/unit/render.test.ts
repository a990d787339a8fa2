import { expect, test } from "bun:test";
import type { Json } from "../../src/model/event.ts";
import { fold } from "../../src/model/fold.ts";
import {
  present,
  settle,
  type Session,
  type SessionRow,
} from "../../src/model/session.ts";
import { fullBanner, lineBanner } from "../../src/render/banner.ts";
import { Csv } from "../../src/render/csv.ts";
import { detail, SESSION_COLUMNS } from "../../src/render/detail.ts";
import { escapeCell, escapeText } from "../../src/render/escape.ts";
import { duration, exactDuration, localTime } from "../../src/render/format.ts";
import { commandHelp, groupHelp } from "../../src/render/help.ts";
import { sessionJson } from "../../src/model/json.ts";
import { JsonArray, sessionDocument } from "../../src/render/json.ts";
import { UTC, type Zone } from "../../src/model/clock.ts";
import { localZone } from "../../src/os/zone.ts";
import { ID, start } from "../support/events.ts";
import * as tables from "../../src/render/table.ts";

const table = (rows: Session[], options: tables.TableOptions) =>
  tables.table(SESSION_COLUMNS, rows, options);
const tabRow = (row: Session, zone: Zone) =>
  tables.tabRow(SESSION_COLUMNS, row, zone);

function session(more: Partial<SessionRow> = {}): Session {
  const row: SessionRow = {
    ...settle(fold(ID, [start()]))!,
    ...{ session_id: "a-20260206-113456-0123abcd", session_type: "t" },
    ...{ component_name: "a", shell_type: "sh", pid: 1, ppid: null },
    start_time: "2026-02-06T11:34:56.000Z",
    end_time: "2026-02-06T11:34:58.500Z",
    ...{ exit_code: 0, signal: null, username: "les", hostname: "host" },
    ...{ tty: null, working_directory: "/", platform: "Linux" },
    ...{ python_version: null, parent_session_id: null, name: null },
    ...{ reason: null, tags: [], command_count: null, end_source: "observed" },
    last_seen: "2026-02-06T11:34:58.500Z",
    ...{ reporter: "spool", attested: "spool" },
    metadata: {},
    ...more,
  };
  return present(row, Date.parse("2026-02-06T12:00:00Z"));
}

test("every character that moves or reorders is escaped, and no other", () => {
  const escaped: number[] = [];
  for (let code = 0; code < 0x3000; code++) {
    const text = String.fromCharCode(code);
    if (escapeText(text) !== text) escaped.push(code);
  }
  const range = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i);
  expect(escaped).toEqual([
    ...[...range(0, 0x1f), ...range(0x7f, 0x9f), 0xad, 0x34f, 0x61c],
    ...[0x115f, 0x1160, 0x17b4, 0x17b5, ...range(0x180b, 0x180f)],
    ...[...range(0x200b, 0x200f), ...range(0x2028, 0x202e)],
    ...range(0x2060, 0x206f),
  ]);
  expect(escapeText("a\u200bb\ufeffc\ufe0fd\u{e0041}e\ufff9")).toBe(
    "a\\u200bb\\ufeffc\\ufe0fd\\u{e0041}e\\ufff9",
  );
  expect(escapeText("\x1b[31m\n\r\t\x9b\u202e é漢😀")).toBe(
    "\\x1b[31m\\n\\r\\t\\x9b\\u202e é漢😀",
  );
});

test("a cell holds no blank and is never empty", () => {
  expect(escapeCell("")).toBe("-");
  expect(escapeCell("a b\u00a0c\u3000d")).toBe("a\\x20b\\xa0c\\u3000d");
});

test("durations keep two figures and a unit, at every size", () => {
  const said = [0, 90, 3_600, 86_399, 86_400, 93_784.9].map(duration);
  expect(said.slice(1)).toEqual(["1m30s", "1h00m", "23h59m", "1d00h", "1d02h"]);
  expect(duration(59.999)).toBe("59s");
});

test("times carry the zone of their day", () => {
  for (const [TZ, january, july] of [
    ["Europe/Berlin", "01-06T12:34:56+01:00", "07-06T13:34:56+02:00"],
    ["America/St_Johns", "01-06T08:04:56-03:30", "07-06T09:04:56-02:30"],
    ["Asia/Kathmandu", "01-06T17:19:56+05:45", "07-06T17:19:56+05:45"],
    ["UTC", "01-06T11:34:56+00:00", "07-06T11:34:56+00:00"],
  ] as const) {
    const zone = localZone({ TZ });
    expect(localTime("2026-01-06T11:34:56.789Z", zone)).toBe(`2026-${january}`);
    expect(localTime("2026-07-06T11:34:56.789Z", zone)).toBe(`2026-${july}`);
  }
});

test("a row has eight cells whatever was recorded", () => {
  for (const text of ["", " ", "a\tb", "\n", "\u2028"]) {
    const row = tabRow(
      session({ component_name: text, username: text, hostname: text }),
      UTC,
    );
    expect(row.split("\t")).toHaveLength(8);
    expect(row.split(/\s+/)).toHaveLength(9);
    expect(row).toEndWith("\n");
  }
  const cells = (more: Partial<SessionRow>) =>
    tabRow(session(more), UTC).trimEnd().split("\t");
  expect(cells({ exit_code: 3 }).at(-1)).toBe("3");
  expect(cells({ exit_code: null }).at(-1)).toBe("-");
  expect(cells({ exit_code: null, signal: "SIGHUP" }).at(-1)).toBe("SIGHUP");
});

test("a table is aligned by what is seen, not by code units", () => {
  const rows = [session(), session({ component_name: "漢字-é" })];
  for (const color of [false, true]) {
    const lines = table(rows, { color, zone: UTC, width: null }).split("\n");
    expect(lines).toHaveLength(4);
    const at = lines
      .slice(0, 3)
      .map((line) => Bun.stringWidth(line.split(/ {2}(?:USER|les)/)[0]!));
    expect(new Set(at).size).toBe(1);
  }
  const lost = [session({ end_source: "recovered" })];
  expect(table(lost, { color: true, zone: UTC, width: null })).toContain(
    "\x1b[33mlost\x1b[0m",
  );
  expect(table(lost, { color: false, zone: UTC, width: null })).not.toContain(
    "\x1b",
  );
});

/** Sessions whose names are as long as they may be, wide, and not what they seem. */
const HARD = [
  session({ component_name: "x".repeat(100), hostname: "h".repeat(64) }),
  session({ session_id: `b-20260206-113456-${"7".repeat(32)}` }),
  session({ session_id: "chan_0123456789ab", username: "漢字".repeat(20) }),
  session({ session_id: "c-20260206-113456-11111111", username: "👩💻👩💻" }),
  session({ username: "\u200b\u202e\x1b[31m", exit_code: null }),
  session({ component_name: "e\u0301".repeat(30), signal: "SIGRTMAX" }),
];

test("a table is never wider than the terminal, whatever it holds", () => {
  for (let n = 1; n <= HARD.length; n++)
    for (let width = 1; width <= 260; width++)
      for (const color of [false, true]) {
        const rows = HARD.slice(0, n);
        const lines = table(rows, { color, zone: UTC, width }).split("\n");
        expect(lines).toHaveLength(n + 2);
        for (const line of lines)
          expect(Bun.stringWidth(line)).toBeLessThanOrEqual(width);
      }
});

test("a table takes rows of any kind", () => {
  const columns: tables.Column<{ file: string; lines: number }>[] = [
    { header: "FILE", value: ({ file }) => file },
    { header: "LINES", value: ({ lines }) => String(lines), drop: 1 },
  ];
  const rows = [{ file: "a b", lines: 3 }];
  const shown = (width: number | null) =>
    tables.table(columns, rows, { color: true, zone: UTC, width });
  expect(shown(null)).toBe("FILE    LINES\na\\x20b  3\n");
  expect(shown(11)).toBe("FILE\na\\x20b\n");
});

test("as much as fits is shown: whole ids, their ends, then ever fewer columns", () => {
  const rows = [
    session(),
    session({ session_id: "b-20260206-113456-76543210" }),
  ];
  const shown = (width: number) =>
    table(rows, { color: false, zone: UTC, width }).split("\n");
  const whole = table(rows, { color: false, zone: UTC, width: null });
  const needs = Math.max(...whole.split("\n").map((line) => line.length));
  expect(shown(needs).join("\n")).toBe(whole);
  expect(shown(needs - 1)[1]).toStartWith("0123abcd    a ");
  expect(shown(needs - 1)[2]).toStartWith("76543210    a ");
  const heads = new Set<string>();
  for (let width = needs; width >= 10; width--)
    heads.add(shown(width)[0]!.split(/ {2,}/).join());
  expect([...heads]).toEqual([
    "SESSION ID,COMPONENT,USER,HOST,STARTED,DURATION,STATUS,EXIT",
    "SESSION ID,COMPONENT,USER,STARTED,DURATION,STATUS,EXIT",
    "SESSION ID,COMPONENT,STARTED,DURATION,STATUS,EXIT",
    "SESSION ID,COMPONENT,STARTED,DURATION,STATUS",
    "SESSION ID,COMPONENT,STARTED,STATUS",
    "SESSION ID,COMPONENT,STATUS",
    "SESSION ID,COMPONENT",
    "SESSION ID",
  ]);
});

test("an id that several rows have is shortened, one whose end another has is not", () => {
  const rows = [
    session(),
    session({ session_id: "b-20260206-113456-0123abcd" }),
    session({ session_id: "c-20260206-113456-76543210" }),
    session({ session_id: "c-20260206-113456-76543210" }),
  ];
  const text = table(rows, { color: false, zone: UTC, width: 90 });
  const ids = text.split("\n").map((line) => line.split(" ")[0]);
  expect(ids.slice(1, 5)).toEqual([
    "a-20260206-113456-0123abcd",
    "b-20260206-113456-0123abcd",
    "76543210",
    "76543210",
  ]);
});

test("a name is cut only where it must be, and says so", () => {
  const rows = [session({ component_name: "x".repeat(40) })];
  const at = (width: number) =>
    /x+…?/.exec(table(rows, { color: false, zone: UTC, width }))![0];
  expect(at(140)).toBe("x".repeat(40));
  expect(at(104)).toBe(`${"x".repeat(23)}…`);
  expect(at(30)).toBe(`${"x".repeat(17)}…`);
  const wide = [session({ component_name: "漢".repeat(40) })];
  const text = table(wide, { color: false, zone: UTC, width: 30 });
  expect(text.split("\n")[1]).toEndWith(` ${"漢".repeat(8)}…`);
});

test("each value stands once, as people read it", () => {
  const text = detail(
    session({
      ...{ exit_code: 3, command_count: 7 },
      metadata: {
        ...{ version: null, adapters: [], command_tree_size: 12 },
        ...{ exit_code: 3, signal: null, command_count: 7 },
        ...{ max_rss_bytes: 13 * 1024 * 1024, cpu_user_seconds: 0.0412 },
        own_bytes: 4096,
      },
    }),
    UTC,
  );
  for (const word of ["exit_code:", "signal:", "command_count:"])
    expect(text.split(word)).toHaveLength(2);
  expect(text).toContain("\nduration:           2.5 s\n");
  expect(text).toEndWith(`metadata:
  version: -
  adapters: []
  command_tree_size: 12
  max_rss: 13.0 MiB
  cpu_user: 0.041 s
  own_bytes: 4096
`);
  const said = [0, 3.5684, 59.9996, 60, 7507.9, 273_907].map(exactDuration);
  expect(said).toEqual([
    "0 s",
    "3.568 s",
    "60 s",
    "1m00s",
    "2h05m07s",
    "3d04h05m07s",
  ]);
});

test("CSV computes nothing in a spreadsheet, and is exact where that is asked", () => {
  const texts = [
    "=1+1",
    "+1",
    "-1",
    "@a",
    "\t=1",
    "\r=1",
    "a=1",
    "'=1",
    '="a",b',
  ];
  const shown = (raw: boolean) => {
    const csv = new Csv(raw);
    return texts.map((name) => {
      const [id, row] = [session().session_id, csv.row(session({ name }))];
      const cells = row.split("\r\n").at(-2)!;
      expect(cells).toStartWith(`${id},`);
      return /,(?:"host"|host),,\/,Linux,,,(.*?),,\[\],/.exec(cells)![1]!;
    });
  };
  expect(shown(false)).toEqual([
    ...["'=1+1", "'+1", "'-1", "'@a", "'\\t=1", "'\\r=1", "a=1", "'=1"],
    `"'=""a"",b"`,
  ]);
  expect(shown(true)).toEqual([
    ...["=1+1", "+1", "-1", "@a", "\\t=1", "\\r=1", "a=1", "'=1"],
    `"=""a"",b"`,
  ]);
});

test("what a session has used has a line for each part, whatever it holds", () => {
  const part = {
    cpu_user_seconds: 0.25,
    max_rss_bytes: 2048,
    read_bytes: null,
  };
  const shown = (resource_usage: Json) =>
    detail(session({ metadata: { resource_usage, last: 1 } }), UTC);
  expect(
    shown({
      ...{ measured_by: "wait4", wall_seconds: 61.5, written_bytes: null },
      ...{ shell: part, escaped: { processes: 2 } },
    }),
  ).toEndWith(`metadata:
  resource_usage:
    measured_by: wait4
    wall: 1m01s
    shell: cpu_user 0.25 s, max_rss 2.0 KiB
    escaped: processes 2
  last: 1
`);
  // A client sends whatever it likes.
  expect(
    shown({ "a\n": "\x1b", shell: { "b\n_bytes": 1, c: { d: ["\u202e"] } } }),
  ).toEndWith(`metadata:
  resource_usage:
    a\\n: \\x1b
    shell: b\\n_bytes 1, c {"d":["\\u202e"]}
  last: 1
`);
  for (const odd of [7, "text", [1], null])
    expect(shown(odd)).toContain("\n  resource_usage: ");
});

test("the detail escapes keys and values, nested ones too", () => {
  const text = detail(
    session({
      ...{ name: "a\nb", tags: ["x\x1b"] },
      metadata: { "k\n  exit_code": 1, deep: { a: ["\u202e"] }, none: null },
    }),
    UTC,
  );
  expect(text).toContain("name:               a\\nb\n");
  expect(text).toContain('tags:               ["x\\u001b"]\n');
  expect(text).toContain("  k\\n  exit_code: 1\n");
  expect(text).toContain('  deep: {"a":["\\u202e"]}\n  none: -\n');
  expect(text).toContain("duration:           2.5 s\n");
});

test("JSON is the value, harmless at a terminal", () => {
  const name = "\x7f\x85\x9b\u202e\u2066\u2028\u200f\u061c é漢😀";
  const text = sessionDocument(session({ name, metadata: { [name]: name } }));
  expect(text).toContain(
    '"\\u007f\\u0085\\u009b\\u202e\\u2066\\u2028\\u200f\\u061c é漢😀"',
  );
  const read = JSON.parse(text) as Session;
  expect(read.name).toBe(name);
  expect(read.metadata).toEqual({ [name]: name });
  for (const count of [0, 1, 3]) {
    const array = new JsonArray(sessionJson);
    const rows = Array.from({ length: count }, () => array.row(session()));
    const whole = rows.join("") + array.end();
    expect(JSON.parse(whole)).toEqual(
      Array.from(
        { length: count },
        () => JSON.parse(sessionDocument(session())) as unknown,
      ),
    );
    expect(whole.split("\n")).toHaveLength(count ? count + 3 : 2);
  }
});

test("banners escape what they are given", () => {
  const facts = {
    ...{
      version: "1",
      component: "a\x1b",
      argv: "program" as const,
      shell_type: "b\n",
    },
    tracking: { disabled: "c\u202e" },
  };
  expect(fullBanner(facts)).toContain("Component: a\\x1b   Shell: b\\n\n");
  for (const banner of [fullBanner(facts), lineBanner(facts)])
    expect(banner).toContain("Session Tracking: ✗ Disabled - c\\u202e\n");
});

test("help shows what a definition says", () => {
  const text = commandHelp("dig", {
    description: "Digs.\n\nDeep.\n\nEXAMPLE\n  dig",
    args: {
      hole: { type: "positional", description: "Where" },
      deep: { type: "string", alias: "d", valueHint: "m", description: "How" },
      upto: { type: "string", alias: "until", description: "When" },
      light: { type: "boolean", default: true, description: "In the dark" },
      far: {
        type: "boolean",
        description: "as far as it goes ".repeat(4).trim(),
      },
    },
  });
  expect(text).toBe(
    `Digs.

USAGE  session-buddy dig [flags] [HOLE]

  HOLE  Where

FLAGS
  -d, --deep M              How
      --upto, --until UPTO  When
      --no-light            In the dark
      --far                 as far as it goes as far as it goes as far as it
                            goes as far as it goes
  -h, --help                This text

Deep.

EXAMPLE
  dig
`,
  );
});

test("the help of a group has a line for each command", () => {
  const text = groupHelp("dig", "Tools.\n\nEXAMPLE\n  dig up", [
    ["dig up", "Brings up.\n\nNotes."],
    ["dig out", "Takes out"],
  ]);
  expect(text).toBe(
    `Tools.

USAGE  session-buddy dig COMMAND [flags]

COMMANDS
  dig up   Brings up
  dig out  Takes out

  session-buddy dig COMMAND --help says more, with examples

EXAMPLE
  dig up
`,
  );
});
