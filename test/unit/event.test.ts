import { describe, expect, test } from "bun:test";
import {
  MAX_TEXT_BYTES,
  boundText,
  compareEvents,
  eventBytes,
  eventJson,
} from "../../src/model/event.ts";
import { start } from "../support/events.ts";
import { Random } from "../support/random.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text).length;

describe("a recorded text", () => {
  test("within the bound is kept as it is", () => {
    for (const text of ["", "a", "é".repeat(MAX_TEXT_BYTES / 2), "\ud800"])
      expect(boundText(text)).toEqual({ text, cut_bytes: 0 });
  });

  test("beyond it is cut, and the cut is counted", () => {
    const { text, cut_bytes } = boundText("x".repeat(MAX_TEXT_BYTES + 5));
    expect([text.length, cut_bytes]).toEqual([MAX_TEXT_BYTES, 5]);
  });

  test("is cut at a character's edge", () => {
    // Four bytes each, the bound falls within one.
    const { text, cut_bytes } = boundText(`a${"👍".repeat(20_000)}`);
    expect(text).toBe(`a${"👍".repeat((MAX_TEXT_BYTES - 4) / 4)}`);
    expect(cut_bytes).toBe(80_001 - bytesOf(text));
  });

  test("keeps what it begins with, a byte order mark too", () => {
    const { text } = boundText(`\ufeff${"x".repeat(MAX_TEXT_BYTES)}`);
    expect(text.codePointAt(0)).toBe(0xfeff);
    expect(bytesOf(text)).toBe(MAX_TEXT_BYTES);
  });

  test("whatever it is made of, is a head of itself and as long as can be", () => {
    const random = Random.seeded("boundText");
    const letters = ["a", "é", "日", "👍"];
    for (let n = 0; n < 50; n++) {
      const whole = Array.from({ length: random.int(16_000, 70_000) }, () =>
        random.pick(letters),
      ).join("");
      const { text, cut_bytes } = boundText(whole);
      expect(whole.startsWith(text)).toBeTrue();
      expect(bytesOf(text) + cut_bytes).toBe(bytesOf(whole));
      expect(bytesOf(text)).toBeLessThanOrEqual(MAX_TEXT_BYTES);
      if (cut_bytes) expect(bytesOf(text)).toBeGreaterThan(MAX_TEXT_BYTES - 4);
    }
  });
});

test("events stand in the order of time, then of id", () => {
  const key = (timestamp: string, event_id: string) => ({
    timestamp,
    event_id,
  });
  const sorted = [key("1", "b"), key("2", "a"), key("2", "b")];
  expect([...sorted].reverse().sort(compareEvents)).toEqual(sorted);
  expect(compareEvents(sorted[0]!, { ...sorted[0]! })).toBe(0);
});

test("an event that was measured stays as it was measured", () => {
  const event = start({ name: "é" });
  const bytes = Buffer.byteLength(JSON.stringify(event));
  expect(eventBytes(event)).toBe(bytes);
  expect(() => Object.assign(event, { name: "another" })).toThrow(TypeError);
  expect(eventJson(event)).toBe(JSON.stringify(event));
  const other = { ...event, name: "another" };
  expect(eventJson(other)).toBe(JSON.stringify(other));
});
