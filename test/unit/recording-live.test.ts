/** A recording that grows: what is whole is shown, once, and of a long one its end. */
import { expect, test } from "bun:test";
import { type Entry, encodeHeader } from "../../src/model/recording/format.ts";
import { LiveScreen } from "../../src/model/recording/live.ts";
import { RecordingReader } from "../../src/model/recording/read.ts";
import {
  HEADER,
  blockOf,
  omitted,
  recordingOf,
  resized,
  shown,
  sourceOf,
} from "../support/recording.ts";

/** A file of which so much is written. */
function growing(file: Uint8Array, size: number) {
  const source = { ...sourceOf(file), size };
  const read = source.read;
  source.read = (at, length) =>
    read(at, Math.max(0, Math.min(length, source.size - at)));
  return { source, live: new LiveScreen(new RecordingReader(source)) };
}

const textOf = ({ screen }: LiveScreen) =>
  screen.rows
    .map((row) => row.text().trimEnd())
    .join("\n")
    .trimEnd();

test("whatever is cut off at any byte comes whole the next time", () => {
  const blocks: Entry[][] = [
    [shown(0, "one\r\n"), resized(0.5, "20x5")],
    [shown(1, "\x1b[31"), omitted(1.5, 7)],
    [shown(2, "mtwo\r\n\x1b]0;title\x07")],
  ];
  const file = recordingOf(blocks);
  const header = encodeHeader(HEADER).length;
  for (let size = header; size <= file.length; size++) {
    const { source, live } = growing(file, size);
    const moments = [...live.advance()];
    source.size = file.length;
    moments.push(...live.advance(), ...live.advance());
    const said = moments.filter(([, , data]) => data !== "");
    expect(said).toEqual([
      [0, "o", "one\r\n"],
      [0.5e6, "r", "20x5"],
      [1.5e6, "m", "7 bytes are left out"],
      [2e6, "o", "\x1b[31mtwo\r\n"],
    ]);
    expect([textOf(live), live.screen.columns]).toEqual(["one\ntwo", 20]);
  }
});

test("of a long one the end is drawn, on a screen of its size, the one that is shown", () => {
  const line = `${"x".repeat(78)}\r\n`;
  const many = Array.from({ length: 40 }, (_, i) => [
    shown(i + 2, line.repeat(8_000)),
  ]);
  const file = recordingOf([
    [shown(0, "long ago\r\n\x1b[?1049h"), resized(1, "80x24")],
    ...many,
    [shown(50, "\x1b[2Jnow")],
  ]);
  const { live } = growing(file, file.length);
  let drawn = 0;
  for (const [, code, data] of live.advance())
    if (code === "o") drawn += data.length;
  expect(drawn).toBeGreaterThan(6e6);
  expect(drawn).toBeLessThan(8.4e6);
  expect([live.screen.columns, live.screen.rows.length]).toEqual([80, 24]);
  expect(live.at_us).toBe(50e6);
  expect(textOf(live)).toContain("now");
  expect(textOf(live)).not.toContain("long ago");
  // What is behind it is kept, and shown when it goes back.
  expect(live.screen.s.behind).not.toBeNull();
});

test("no block in it, or none that is whole, is an empty screen", () => {
  const header = encodeHeader(HEADER);
  const torn = Buffer.concat([
    header,
    blockOf([shown(0, "x")]).subarray(0, 40),
  ]);
  for (const file of [header, torn]) {
    const { live } = growing(file, file.length);
    expect([...live.advance()]).toEqual([]);
    expect(textOf(live)).toBe("");
  }
});
