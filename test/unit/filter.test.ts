import { describe, expect, test } from "bun:test";
import { Failure } from "../../src/model/failure.ts";
import {
  parseCount,
  parseLength,
  parseSpan,
  parseTime,
} from "../../src/model/time.ts";
import { localZone } from "../../src/os/zone.ts";

/** Clocks there go from 02:00 to 03:00 on 2026-03-29, and back from 03:00 on 2026-10-25. */
const ZONE = localZone({ TZ: "Europe/Berlin" });
const NOW = Date.parse("2026-02-06T12:34:56.789Z");
const utc = (text: string, now = NOW) =>
  parseTime(text, now, ZONE).toISOString();

describe("a time as people type it", () => {
  const times: Record<string, string> = {
    "2026-02-06": "2026-02-05T23:00:00.000Z",
    "2026-07-06": "2026-07-05T22:00:00.000Z",
    "2026-02-06T12:34:56Z": "2026-02-06T12:34:56.000Z",
    "2026-02-06T12:34:56.7891234Z": "2026-02-06T12:34:56.789Z",
    "2026-02-06t12:34:56.5z": "2026-02-06T12:34:56.500Z",
    "2026-02-06T12:34+05:30": "2026-02-06T07:04:00.000Z",
    "2026-02-06 12:34:56-0800": "2026-02-06T20:34:56.000Z",
    "2026-02-06 12:34": "2026-02-06T11:34:00.000Z",
    "  2026-02-06 12:34:56 ": "2026-02-06T11:34:56.000Z",
    "2026-02-06T12:34:56,789012345+01:00": "2026-02-06T11:34:56.789Z",
    "2026-02-06 12:34:56.789012345+01": "2026-02-06T11:34:56.789Z",
    "2026-02-06T12:34:56+00": "2026-02-06T12:34:56.000Z",
    "@1770381296": "2026-02-06T12:34:56.000Z",
    "@1770381296.7891": "2026-02-06T12:34:56.789Z",
    "@-1.25": "1969-12-31T23:59:58.750Z",
    "Fri, 06 Feb 2026 12:34:56 +0100": "2026-02-06T11:34:56.000Z",
    "6 feb 2026 12:34 GMT": "2026-02-06T12:34:00.000Z",
    "2024-02-29": "2024-02-28T23:00:00.000Z",
    now: "2026-02-06T12:34:56.789Z",
    today: "2026-02-05T23:00:00.000Z",
    Today: "2026-02-05T23:00:00.000Z",
    yesterday: "2026-02-04T23:00:00.000Z",
    "today 14:05": "2026-02-06T13:05:00.000Z",
    "yesterday 14:05": "2026-02-05T13:05:00.000Z",
    "yesterday  9:05:07": "2026-02-05T08:05:07.000Z",
    "14:05": "2026-02-06T13:05:00.000Z",
    "2 hours ago": "2026-02-06T10:34:56.789Z",
    "1 hour ago": "2026-02-06T11:34:56.789Z",
    "90 minutes ago": "2026-02-06T11:04:56.789Z",
    "3weeks ago": "2026-01-16T12:34:56.789Z",
    "-2d": "2026-02-04T12:34:56.789Z",
    "-30 s": "2026-02-06T12:34:26.789Z",
    "-5m": "2026-02-06T12:29:56.789Z",
    "-10mins": "2026-02-06T12:24:56.789Z",
    "-1w": "2026-01-30T12:34:56.789Z",
    "-1h30m": "2026-02-06T11:04:56.789Z",
    "1h30m ago": "2026-02-06T11:04:56.789Z",
    "-0d": "2026-02-06T12:34:56.789Z",
  };
  for (const [text, expected] of Object.entries(times))
    test(text, () => expect(utc(text)).toBe(expected));
});

describe("days and clock times in words", () => {
  /** Fridays and a Saturday; 10:00 and 13:34 there. */
  const ten = Date.parse("2026-02-06T09:00:00Z");
  const saturday = Date.parse("2026-02-07T09:00:00Z");
  const new_year = Date.parse("2026-01-01T09:00:00Z");
  /** The Mondays after clocks leapt, and went back. */
  const spring = Date.parse("2026-03-30T10:00:00Z");
  const autumn = Date.parse("2026-10-26T10:00:00Z");
  const rows: [string, number, string][] = [
    ["14:05 yesterday", NOW, "2026-02-05T13:05Z"],
    ["14:05 today", NOW, "2026-02-06T13:05Z"],
    ["yesterday 2:05pm", NOW, "2026-02-05T13:05Z"],
    ["2:05 PM yesterday", NOW, "2026-02-05T13:05Z"],
    ["2pm", NOW, "2026-02-06T13:00Z"],
    ["12am", NOW, "2026-02-05T23:00Z"],
    ["12:30am", NOW, "2026-02-05T23:30Z"],
    ["12pm", NOW, "2026-02-06T11:00Z"],
    ["11:59:59pm yesterday", NOW, "2026-02-05T22:59:59Z"],
    // The latest that is past; of today its first moment is.
    ["friday", NOW, "2026-02-05T23:00Z"],
    ["fri 9:00", ten, "2026-02-06T08:00Z"],
    ["fri 14:05", ten, "2026-01-30T13:05Z"],
    ["14:05 Thurs", ten, "2026-02-05T13:05Z"],
    ["sat 14:05", saturday, "2026-01-31T13:05Z"],
    ["Saturday", ten, "2026-01-30T23:00Z"],
    ["mon", ten, "2026-02-01T23:00Z"],
    ["last monday", ten, "2026-02-01T23:00Z"],
    ["last friday", ten, "2026-01-29T23:00Z"],
    ["last fri 14:05", ten, "2026-01-30T13:05Z"],
    ["Last Week", ten, "2026-01-25T23:00Z"],
    ["last week", Date.parse("2026-02-08T22:30Z"), "2026-01-25T23:00Z"],
    ["last week", Date.parse("2026-02-08T23:30Z"), "2026-02-01T23:00Z"],
    ["28 Nov 14:05", ten, "2025-11-28T13:05Z"],
    ["Nov 28 14:05", ten, "2025-11-28T13:05Z"],
    ["14:05 28 november", ten, "2025-11-28T13:05Z"],
    ["Nov 28, 2024, 2:05 pm", ten, "2024-11-28T13:05Z"],
    ["3 Sept 2024", ten, "2024-09-02T22:00Z"],
    ["Feb 6", ten, "2026-02-05T23:00Z"],
    // Of today it stays today's, past or to come.
    ["6 feb 14:05", ten, "2026-02-06T13:05Z"],
    ["7 feb", ten, "2025-02-06T23:00Z"],
    ["29 Feb", ten, "2024-02-28T23:00Z"],
    // Over the end of a year.
    ["yesterday 23:59", new_year, "2025-12-31T22:59Z"],
    ["wed", new_year, "2025-12-30T23:00Z"],
    ["last week", new_year, "2025-12-21T23:00Z"],
    ["31 Dec 23:59", new_year, "2025-12-31T22:59Z"],
    ["1 Jan", new_year, "2025-12-31T23:00Z"],
    ["2 Jan", new_year, "2025-01-01T23:00Z"],
    // Where clocks change.
    ["sunday", spring, "2026-03-28T23:00Z"],
    ["sun 2:30am", spring, "2026-03-29T01:30Z"],
    ["last monday", spring, "2026-03-22T23:00Z"],
    ["last week", spring, "2026-03-22T23:00Z"],
    ["29 Mar 12:00", spring, "2026-03-29T10:00Z"],
    ["sun 02:30", autumn, "2026-10-25T00:30Z"],
    ["last week", autumn, "2026-10-18T22:00Z"],
  ];
  for (const [text, now, expected] of rows)
    test(`${text} at ${new Date(now).toISOString()}`, () =>
      expect(utc(text, now)).toBe(new Date(expected).toISOString()));
});

describe("where clocks change", () => {
  test("a local hour that does not exist is the moment an hour later", () => {
    expect(utc("2026-03-29 02:30")).toBe("2026-03-29T01:30:00.000Z");
    expect(utc("2026-03-29 03:30")).toBe("2026-03-29T01:30:00.000Z");
  });

  test("of a local hour that comes twice it is the first", () => {
    expect(utc("2026-10-25 02:30")).toBe("2026-10-25T00:30:00.000Z");
  });

  test("yesterday is a date, not 24 hours; -1d is 24 hours", () => {
    const monday = Date.parse("2026-03-30T10:00:00Z");
    expect(utc("yesterday", monday)).toBe("2026-03-28T23:00:00.000Z");
    expect(utc("yesterday 12:00", monday)).toBe("2026-03-29T10:00:00.000Z");
    const sunday = Date.parse("2026-03-29T10:00:00Z");
    expect(utc("today", sunday)).toBe("2026-03-28T23:00:00.000Z");
    expect(utc("yesterday 12:00", sunday)).toBe("2026-03-28T11:00:00.000Z");
    expect(utc("-1d", sunday)).toBe("2026-03-28T10:00:00.000Z");
  });
});

describe("what is no time is refused, with examples", () => {
  for (const text of [
    "",
    "soon",
    "2026-02-30",
    "2026-02-29",
    "2026-13-01",
    "2026-00-10",
    "2026-02-00",
    "26-02-06",
    "2026-2-6",
    "2026-02-06T25:00",
    "2026-02-06T12:60",
    "2026-02-06T12:34:60",
    "2026-02-06T12",
    "2026-02-06T12:34+25:00",
    "2026-02-06T12:34:56,",
    "2026-02-06T12:34+0",
    "2026-02-06T12:34+00:60",
    "@",
    "@1e9",
    "@99999999999999",
    "Fri, 30 Feb 2026 12:34:56 +0100",
    "06 Fab 2026 12:34:56 +0100",
    "06 ebM 2026 12:34:56 +0100",
    "2026-02-06 12:34 ago",
    "24:00",
    "12:60",
    "today 25:00",
    "tomorrow",
    "yesterday now",
    "last week 14:05",
    "last",
    "last moon",
    "last 28 Nov",
    "mo",
    "mondays",
    "monday tuesday",
    "14:05 15:05",
    "14:05 yesterday 15:05",
    "0:05pm",
    "13:05pm",
    "2:5pm",
    "pm",
    "14",
    "28",
    "Nov",
    "Nov 28 26",
    "28 Nov 2026 1",
    "31 Nov",
    "0 Nov",
    "30 Feb 14:05",
    "29 Feb 2026",
    "28 No",
    "2 moons ago",
    "5 ms ago",
    "-5constructor",
    "-2",
    "-2d2d",
    "-5m2h",
    " ago",
    "2d",
    "-9999999999999999d",
    // Beyond the years that are written with four digits.
    "-9999999d",
    "9999-12-31T23:59:59-14:00",
  ])
    test(JSON.stringify(text), () => {
      const failure = (() => {
        try {
          return parseTime(text, NOW, ZONE);
        } catch (error) {
          return error;
        }
      })();
      expect(failure).toBeInstanceOf(Failure);
      expect(failure).toMatchObject({ code: "usage", exitStatus: 64 });
      expect((failure as Failure).message).toContain("is not a time (try: ");
    });
});

test("a length of time has units, the longest first, or is in seconds", () => {
  for (const [text, seconds] of [
    ["3600", 3_600],
    ["0.5", 0.5],
    [" 5m ", 300],
    ["5h30m", 19_800],
    ["1.5h", 5_400],
    ["2 days 3 hours", 183_600],
    ["1w", 604_800],
    ["90min", 5_400],
    ["0", 0],
  ] as const)
    expect([text, parseLength(text)]).toEqual([text, seconds * 1_000]);
  for (const text of ["", "m", "-5m", "5m2h", "5m5m", "5 ms", "1e3", "9999y"])
    expect(() => parseLength(text)).toThrow(/is not a length of time \(try: /);
});

test("a span of time has a beginning, an end, or both", () => {
  const span = (text: string) => {
    const { from, to } = parseSpan(text, NOW, ZONE);
    return [from, to];
  };
  const [today, at14] = [
    "2026-02-05T23:00:00.000Z",
    "2026-02-06T13:00:00.000Z",
  ];
  expect(span("today..14:00")).toEqual([today!, at14!]);
  expect(span("today ..")).toEqual([today!, null]);
  expect(span("..today")).toEqual([null, today!]);
  expect(span("@1.5..@2.5")).toEqual([
    "1970-01-01T00:00:01.500Z",
    "1970-01-01T00:00:02.500Z",
  ]);
  for (const text of ["", "..", "today", "today..now..now", "a..b"])
    expect(() => span(text)).toThrow(/is not a (span of )?time \(try: /);
  for (const text of ["now..today", "now..now"])
    expect(() => span(text)).toThrow(/the end is not after the beginning/);
});

describe("a clock time as the end of a span is of the day it begins on, or the next", () => {
  /** 10:00, 13:34 and 23:50 of that day, there. */
  const [ten, noon, night] = ["09:00:00", "12:34:56", "22:50:00"].map((at) =>
    Date.parse(`2026-02-06T${at}Z`),
  ) as [number, number, number];
  const rows: [string, number, string, string][] = [
    ["yesterday 14:00..14:30", noon, "02-05T13:00", "02-05T13:30"],
    ["yesterday 14:00 .. 9:30", noon, "02-05T13:00", "02-06T08:30"],
    ["yesterday..00:30", noon, "02-04T23:00", "02-04T23:30"],
    ["yesterday 23:30..00:30", noon, "02-05T22:30", "02-05T23:30"],
    ["2026-02-01 14:00..14:30", noon, "02-01T13:00", "02-01T13:30"],
    ["2026-01-31T23:30:00Z..00:45:30", noon, "01-31T23:30", "01-31T23:45:30"],
    ["2026-01-31T22:30:00Z..00:30", noon, "01-31T22:30", "01-31T23:30"],
    ["-2h..14:00", NOW, "02-06T10:34:56.789", "02-06T13:00"],
    ["12:00..13:00", noon, "02-06T11:00", "02-06T12:00"],
    // Those to come: as they were typed.
    ["14:00..15:00", noon, "02-06T13:00", "02-06T14:00"],
    ["today 23:30..00:30", noon, "02-06T22:30", "02-06T23:30"],
    // Past midnight without a day: the night that has begun, or the last one.
    ["23:30..00:30", night, "02-06T22:30", "02-06T23:30"],
    ["23:30..00:30", ten, "02-05T22:30", "02-05T23:30"],
    ["yesterday 2pm..2:30 pm", noon, "02-05T13:00", "02-05T13:30"],
    // Weekdays, and dates without a year, are the first after the beginning.
    ["mon..wed", noon, "02-01T23:00", "02-03T23:00"],
    ["fri 13:00..fri 15:00", noon, "02-06T12:00", "02-06T14:00"],
    ["thu 18:00..mon 08:00", noon, "02-05T17:00", "02-09T07:00"],
    ["last friday 18:00..mon", noon, "01-30T17:00", "02-01T23:00"],
    ["28 Jan..7 Feb", noon, "01-27T23:00", "02-06T23:00"],
    ["1 Feb 2024..29 Feb", noon, "2024-01-31T23:00", "2024-02-28T23:00"],
    ["28 Dec 14:00..3 Jan", noon, "2025-12-28T13:00", "01-02T23:00"],
    // A day of its own holds.
    ["yesterday 14:00..today 14:30", noon, "02-05T13:00", "02-06T13:30"],
    ["yesterday 14:00..today", noon, "02-05T13:00", "02-05T23:00"],
    // Over the end of a year.
    ["2025-12-31 23:30..00:30", noon, "2025-12-31T22:30", "2025-12-31T23:30"],
    // Clocks leap from 02:00 to 03:00, and go back from 03:00 to 02:00.
    ["2026-03-29 01:30..03:30", noon, "03-29T00:30", "03-29T01:30"],
    ["2026-03-28 23:00..03:30", noon, "03-28T22:00", "03-29T01:30"],
    ["2026-03-29 03:30..01:30", noon, "03-29T01:30", "03-29T23:30"],
    ["2026-10-25 01:30..03:30", noon, "10-24T23:30", "10-25T02:30"],
    ["2026-10-25T01:30Z..02:45", noon, "10-25T01:30", "10-25T01:45"],
  ];
  for (const [text, now, ...ends] of rows)
    test(`${text} at ${new Date(now).toISOString()}`, () => {
      const { from, to } = parseSpan(text, now, ZONE);
      const whole = (end: string) =>
        new Date(`${/^\d{4}/.test(end) ? "" : "2026-"}${end}Z`).toISOString();
      expect([from, to]).toEqual(ends.map(whole));
    });

  test("the same clock time again is refused, and none that there is not", () => {
    for (const [text, why] of [
      ["yesterday 14:00..14:00", /the end is not after the beginning/],
      ["yesterday 14:00..24:30", /'24:30' is not a time/],
    ] as const)
      expect(() => parseSpan(text, NOW, ZONE)).toThrow(why);
  });
});

test("a count is a whole number and names its flag otherwise", () => {
  expect(parseCount("50", "--limit")).toBe(50);
  expect(parseCount("0", "--limit")).toBe(0);
  for (const text of [
    "",
    "-1",
    "1.5",
    "1e3",
    "ten",
    "0x10",
    "9999999999",
    " 5",
  ])
    expect(() => parseCount(text, "--limit")).toThrow(/^--limit takes a whole/);
});
