/** What is to be seen on a terminal after some output, and the lines that it comes to. */
import { expect, test } from "bun:test";
import { linesOf, firstShown } from "../../src/model/recording/lines.ts";
import { Playback } from "../../src/model/recording/playback.ts";
import { Screen } from "../../src/model/recording/screen.ts";
import { Parser } from "../../src/model/recording/sequences.ts";
import {
  omitted,
  readerOf,
  recordingOf,
  resized,
  shown,
} from "../support/recording.ts";

function screenOf(text: string | Uint8Array, columns = 10, rows = 4): Screen {
  const screen = new Screen({ columns, rows });
  const bytes =
    typeof text === "string" ? new TextEncoder().encode(text) : text;
  // A byte a time: where a write is cut changes nothing.
  const parser = new Parser(screen);
  for (let i = 0; i < bytes.length; i++) parser.write(bytes.subarray(i, i + 1));
  return screen;
}
const seen = (screen: Screen): string =>
  screen.rows
    .map((row) => row.text().trimEnd())
    .join("|")
    .replace(/\|+$/, "");

const E = "\x1b";
test.each([
  ["letters, and a new row", "ab\r\ncd", "ab|cd"],
  ["a line feed alone keeps the column", "ab\ncd", "ab|  cd"],
  ["a long line goes on in the next row", "0123456789ab", "0123456789|ab"],
  ["a full row waits for the next letter", `0123456789\r!`, "!123456789"],
  [
    "without wrapping the last cell is drawn over",
    `${E}[?7l0123456789ab`,
    "012345678b",
  ],
  ["what scrolls off is gone", "1\r\n2\r\n3\r\n4\r\n5", "2|3|4|5"],
  ["backspace and carriage return draw over", "abc\b\bX\rY", "YXc"],
  ["tabs", "a\tb", "a       b"],
  ["a tab beyond the last cell", "a\t\t\tb", "a        b"],
  [
    "the cursor's places",
    `${E}[2;3Hx${E}[Ay${E}[4Gz`,
    "   z|  x".replace("   z", "   z"),
  ],
  ["rows that are erased", `ab\r\ncd${E}[1;2H${E}[K`, "a|cd"],
  ["what is before the cursor is erased", `abcd${E}[3G${E}[1K`, "   d"],
  ["the screen is erased", `ab\r\ncd${E}[2J`, ""],
  ["below the cursor", `ab\r\ncd\r\nef${E}[2;1H${E}[J`, "ab"],
  ["cells are deleted", `abcdef${E}[2G${E}[2P`, "adef"],
  ["cells are inserted", `abcdef${E}[2G${E}[2@`, "a  bcdef"],
  ["accents move with their letter", `e\u0301abc${E}[1G${E}[@`, " e\u0301abc"],
  ["letters are inserted", `abc${E}[1G${E}[4hxy${E}[4lz`, "xyzbc"],
  ["cells are erased", `abcdef${E}[2G${E}[2X`, "a  def"],
  ["rows are inserted", `a\r\nb\r\nc${E}[2;1H${E}[L`, "a||b|c"],
  ["rows are deleted", `a\r\nb\r\nc${E}[1;1H${E}[M`, "b|c"],
  ["a region scrolls", `a\r\nb\r\nc\r\nd${E}[2;3r${E}[3;1H\n`, "a|c||d"],
  [
    "a region scrolls back",
    `a\r\nb\r\nc\r\nd${E}[2;3r${E}[2;1H${E}M`,
    "a||b|d",
  ],
  ["a cursor that was saved", `ab${E}7\r\ncd${E}8x`, "abx|cd"],
  ["a letter is repeated", `a${E}[3b`, "aaaa"],
  ["line drawing", `${E}(0lqk${E}(Bq`, "┌─┐q"],
  ["line drawing by shifts", `${E})0\x0eq\x0fq`, "─q"],
  ["wide letters take two cells", `中x\r\n123456789中`, "中x|123456789|中"],
  ["half of a wide letter does not stay", `中${E}[2Gx`, " x"],
  ["accents stand with their letter", "e\u0301x", "e\u0301x"],
  ["what is no UTF-8", "a\u00ffb", "aÿb"],
  ["the other screen", `ab${E}[?1049hcd`, "  cd".replace("  cd", "  cd")],
  ["the first screen again", `ab${E}[?1049hcd${E}[?1049lef`, "abef"],
  [
    "strings to the terminal",
    `a${E}]0;title\x07b${E}]52;c;eA==${E}\\c${E}Pq${E}\\d${E}_x${E}\\e`,
    "abcde",
  ],
  ["a string of 8 bits", "a\u009d0;title\u009cb", "ab"],
  ["a title of screen's", `a${E}ktitle${E}\\b`, "ab"],
  ["a string that is given up", `a${E}]0;title\x18b`, "ab"],
  ["queries and modes", `a${E}[c${E}[6n${E}[?1000h${E}[>4;2m${E}[21tb`, "ab"],
  ["what reorders text", "a\u202eb\u2066c\u200d", "abc"],
  ["hidden text is seen", `a${E}[8mb${E}[28mc`, "abc"],
  ["a sequence in a sequence", `a${E}[1${E}[Cb`, "a b"],
  ["a control character in a sequence", `a${E}[1\nCb`, "a|  b"],
  ["everything anew", `ab${E}[2;3r${E}(0${E}cq`, "q"],
])("%s", (_, output, wanted) => {
  expect(seen(screenOf(output))).toBe(wanted);
});

test("bytes that are no letter stand for themselves, one mark each", () => {
  const bytes = Uint8Array.of(0x61, 0xff, 0xe4, 0xb8, 0x62, 0xc0, 0x80, 0xf5);
  expect(seen(screenOf(bytes))).toBe("a\ufffd\ufffdb\ufffd\ufffd\ufffd");
});

test.each([
  ["bold and red", "1;31", { fg: 2, bg: 0, flags: 1 }],
  ["bright, on bright", "94;103", { fg: 13, bg: 12, flags: 0 }],
  ["of the palette", "38;5;200;48;5;0", { fg: 201, bg: 1, flags: 0 }],
  ["RGB", "38;2;1;2;3", { fg: 0x1010203, bg: 0, flags: 0 }],
  ["RGB with colons", "38:2::1:2:3;4", { fg: 0x1010203, bg: 0, flags: 8 }],
  [
    "RGB with colons, without a space",
    "48:2:1:2:3",
    { fg: 0, bg: 0x1010203, flags: 0 },
  ],
  ["an underline's colour", "58;5;9;3", { fg: 0, bg: 0, flags: 4 }],
  ["a curl, and none", "4:3;4:0", { fg: 0, bg: 0, flags: 0 }],
  ["nothing, again", "1;31;44;0", { fg: 0, bg: 0, flags: 0 }],
  ["no colour that there is", "38;5;999", { fg: 0, bg: 0, flags: 0 }],
  ["cut off", "38;2;1", { fg: 0, bg: 0, flags: 0 }],
])("how letters look: %s", (_, numbers, wanted) => {
  const [row] = screenOf(`${E}[${numbers}mx`).rows;
  const style = { fg: row!.fg[0]!, bg: row!.bg[0]!, flags: row!.flags[0]! };
  expect(style).toEqual(wanted);
});

const textOf = (...entries: Parameters<typeof recordingOf>[0][number][]) =>
  [...linesOf(readerOf(recordingOf(entries)))].map(({ text }) => text);

test("lines are those that left the screen, and what stays on it", () => {
  const text = Array.from({ length: 30 }, (_, i) => `line ${i}`);
  expect(textOf([shown(1, text.join("\r\n"))])).toEqual(text);
});

test("a line that the terminal wrapped is one", () => {
  const long = "0123456789".repeat(9);
  expect(textOf([shown(1, `${long}\r\nnext`)])).toEqual([long, "next"]);
});

test("what was cleared, and what a full screen showed, is among the lines, in its order", () => {
  const text = textOf([
    shown(1, `one\r\n$ clear${E}[H${E}[2J$ vim\r\n${E}[?1049h${E}[H`),
    shown(2, `text in vim${E}[2;1H~${E}[?1049l$ two`),
  ]);
  expect(text).toEqual([
    "one",
    "$ clear",
    "$ vim",
    "text in vim",
    "~",
    "$ two",
  ]);
});

test("what is left out is said; a size that is none is passed over", () => {
  expect(
    textOf([
      shown(1, "a\r\n"),
      omitted(2, 300),
      resized(3, "0x0"),
      resized(4, "x"),
    ]),
  ).toEqual(["[300 bytes are left out]", "a"]);
});

test("nothing is lost when the terminal becomes smaller, and larger", () => {
  const rows = Array.from({ length: 8 }, (_, i) => `row ${i}`);
  expect(
    textOf([
      shown(1, rows.join("\r\n")),
      resized(2, "3x3"),
      resized(3, "80x24"),
      shown(4, "\r\nend"),
    ]),
  ).toEqual([...rows, "end"]);
});

test("a text is found when it is first seen: across rows, in a full screen, scrolled off at once", () => {
  const find = (text: string, ...entries: ReturnType<typeof shown>[]) =>
    firstShown(readerOf(recordingOf([entries])), text);
  const long = `${"x".repeat(37)}needle`;
  expect(find("NEEDLE", shown(1, "a"), shown(2, long))).toBe(2e6);
  expect(
    find("pass", shown(1, `${E}[?1049h`), shown(3, "a pa"), shown(5, "ss")),
  ).toBe(5e6);
  expect(find("once", shown(1, `once${"\r\n".repeat(40)}`))).toBe(1e6);
  expect(find("never", shown(1, "nev"))).toBeNull();
});

test("going back shows the same as going there", () => {
  const entries = Array.from({ length: 400 }, (_, i) =>
    shown(i, `${E}[${(i % 7) + 31}m${"output ".repeat(3_000)}${i}\r\n`),
  );
  const blocks = Array.from({ length: 40 }, (_, i) =>
    entries.slice(i * 10, i * 10 + 10),
  );
  const reader = readerOf(recordingOf(blocks));
  const at = (playback: Playback, s: number) => {
    expect(playback.seek(s * 1e6, () => true)).toBe(true);
    return seen(playback.screen);
  };
  const back = new Playback(reader);
  at(back, 399);
  for (const s of [350, 10, 200, 0, 399, 123])
    expect(at(back, s)).toBe(at(new Playback(reader), s));
});
