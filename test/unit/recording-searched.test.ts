/** Which lines of a recording a search looks through, and when they were shown. */
import { expect, test } from "bun:test";
import {
  MOST_LINE_BYTES,
  beganAt,
  searchedLines,
} from "../../src/model/recording/searched.ts";
import type { Entry } from "../../src/model/recording/format.ts";
import { Random } from "../support/random.ts";
import {
  hostile,
  readerOf,
  recordingOf,
  resized,
  shown,
} from "../support/recording.ts";

const E = "\x1b";

function lines(entries: readonly Entry[], most?: number) {
  const not = { damaged_bytes: 0, cut: false };
  const reader = readerOf(recordingOf([entries]));
  const pieces = [...searchedLines(reader, not, most)];
  return { all: pieces.flat(), cut: not.cut };
}
const texts = (...entries: Entry[]) =>
  lines(entries).all.map(({ text }) => text);

test("a line is what was to be seen of it, at the moment of its last letter", () => {
  const { all } = lines([
    shown(0.5, `${E}[1;31mred${E}[0m and ${E}]0;title\x07plain\r\n`),
    shown(1, "10%\r"),
    shown(2.5, "100% done\r\n"),
    shown(3, "wrogn\b\bng\r\n\r\n   \r\n"),
    shown(4, `gone${E}[2K\rkept`),
  ]);
  expect(all).toEqual([
    { text: "red and plain", at_ms: 500 },
    { text: "100% done", at_ms: 2_500 },
    { text: "wrong", at_ms: 3_000 },
    { text: "kept", at_ms: 4_000 },
  ]);
});

test("a line that the terminal wrapped is one, and a long one is cut between letters", () => {
  const long = "ключ".repeat(2_000);
  const [wrapped, cut] = texts(
    shown(0, `${"x".repeat(100)} end\r\n`),
    shown(1, `${long}\r\n`),
  );
  expect(wrapped).toBe(`${"x".repeat(100)} end`);
  expect(Buffer.byteLength(cut!)).toBe(MOST_LINE_BYTES);
  expect(long.startsWith(cut!)).toBe(true);
});

test("of a program that takes the whole screen it is what stood there, and was new", () => {
  const page = (at_s: number, ...rows: string[]) =>
    shown(at_s, rows.map((row, i) => `${E}[${i + 1}H${row}${E}[K`).join(""));
  const { all } = lines([
    shown(0, "$ watch\r\n"),
    shown(0.1, `${E}[?1049h`),
    page(0.2, "header", "first"),
    page(2, "header", "second"),
    // Nobody can have read that.
    page(4, "header", "flash"),
    page(4.1, "header", "third"),
    page(6, "header", "last"),
    shown(6.1, `${E}[?1049l$ `),
  ]);
  expect(all).toEqual([
    { text: "$ watch", at_ms: 0 },
    { text: "header", at_ms: 200 },
    { text: "first", at_ms: 200 },
    { text: "second", at_ms: 2_000 },
    { text: "third", at_ms: 4_100 },
    { text: "header", at_ms: 6_000 },
    { text: "last", at_ms: 6_000 },
    { text: "$", at_ms: 6_100 },
  ]);
});

test("they are bounded, and it is said", () => {
  const many = [shown(0, "line\r\n".repeat(100))];
  expect(lines(many, 60)).toMatchObject({ cut: true, all: { length: 60 } });
  expect(lines(many, 100)).toMatchObject({ cut: false, all: { length: 100 } });
  // A program that draws anew for days.
  const drawn = Array.from({ length: 3_000 }, (_, n) =>
    shown(n * 2, `${E}[?1049h${E}[H${`row ${n}\r\n`.repeat(9)}`),
  );
  const { all, cut } = lines([...drawn, shown(9_000, `${E}[?1049lover`)]);
  expect([all.length < 20_100, cut, all.at(-1)!.text]).toEqual([
    ...[true, false, "over"],
  ]);
});

test("whoever goes through it can do something else in between, the more so on a large screen", () => {
  const pieces = (columns: number, rows: number) => {
    const clears = shown(0, `${E}[?47h${E}[?47l`.repeat(2_000));
    const size = { columns, rows };
    const not = { damaged_bytes: 0, cut: false };
    return [...searchedLines(readerOf(recordingOf([[clears]], size)), not)];
  };
  const usual = pieces(80, 24).length;
  expect(usual).toBeGreaterThan(10);
  expect(pieces(1_000, 300).length).toBeGreaterThan(usual * 20);
});

test("whatever was recorded, they are lines of letters", () => {
  const random = Random.seeded("searched");
  for (let round = 0; round < 50; round++) {
    const entries = Array.from({ length: 40 }, (_, n) =>
      random.chance(0.05)
        ? resized(n, `${random.int(1, 300)}x${random.int(1, 100)}`)
        : shown(n * random.pick([0.1, 1]), `${hostile(random)}word\n`),
    ).sort((a, b) => a.at_us - b.at_us);
    for (const { text, at_ms } of lines(entries).all) {
      expect(text).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e]/u);
      expect(text.trimEnd()).toBe(text);
      expect([text !== "", at_ms >= 0 && at_ms <= 40_000]).toEqual([
        true,
        true,
      ]);
    }
  }
});

test("a recording began when it says so, if its session was then", () => {
  const start = "2026-02-06T12:34:56.000Z";
  const soon = "2026-02-06T12:34:57.500Z";
  expect(beganAt(soon, start)).toBe(Date.parse(soon));
  expect(beganAt("9999-01-01T00:00:00.000Z", start)).toBe(Date.parse(start));
});
