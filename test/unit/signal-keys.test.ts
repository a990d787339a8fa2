/** Which signals keys send, by the modes of the terminal that they are passed to. */
import { expect, test } from "bun:test";
import { SIGNALS } from "../../src/os/signals.ts";
import { SignalKeys, asksForKeys } from "../../src/record/signal-keys.ts";

const ISIG = 0o1;
const ICANON = 0o2;
const ECHO = 0o10;
const IEXTEN = 0o100000;
const { SIGINT, SIGQUIT, SIGTSTP } = SIGNALS;

/** struct termios, with the usual keys. */
function modes(flags: number, suspend = 0x1a): Uint8Array {
  const made = new Uint8Array(60);
  new DataView(made.buffer).setUint32(12, flags, true);
  made.set([0x03, 0x1c, 0x7f, 0x15, 0x04], 17);
  made[17 + 10] = suspend;
  made[17 + 15] = 0x16;
  return made;
}

const LINES = modes(ISIG | ICANON | ECHO | IEXTEN);
const sent = (text: string, by: Uint8Array, keys = new SignalKeys()) =>
  keys.in(new TextEncoder().encode(text), by);

test.each([
  ["", []],
  ["words\r", []],
  ["\x03", [SIGINT]],
  ["a\x1c", [SIGQUIT]],
  ["\x1a\x03", [SIGTSTP, SIGINT]],
  ["\x16\x1a", []],
  ["\x16\x16\x1a", [SIGTSTP]],
  ["\0", []],
])("%j sends %j", (text, signals) => {
  expect(sent(text, LINES)).toEqual(signals);
});

test("in raw mode keys are but keys; where nothing is edited, none takes a meaning away", () => {
  expect(sent("\x03\x1a", modes(0))).toEqual([]);
  expect(sent("\x16\x1a", modes(ISIG))).toEqual([SIGTSTP]);
});

test("a key that was changed, or that there is none of", () => {
  const changed = modes(ISIG | ICANON, 0x19);
  expect(sent("\x19\x1a", changed)).toEqual([SIGTSTP]);
  expect(sent("\0\x1a", modes(ISIG, 0))).toEqual([]);
});

test("of several that one key has, the kernel sends the first", () => {
  expect(sent("\x03", modes(ISIG, 0x03))).toEqual([SIGINT]);
  expect(sent("\x1c", modes(ISIG, 0x1c))).toEqual([SIGQUIT]);
});

test("a meaning is taken away over the end of what is read at once", () => {
  const keys = new SignalKeys();
  expect(sent("\x16", LINES, keys)).toEqual([]);
  expect(sent("\x1a\x1a", LINES, keys)).toEqual([SIGTSTP]);
});

test("who edits lines himself, or hides what is typed, asks for keys", () => {
  expect(asksForKeys(modes(ISIG | ECHO), LINES)).toBe(true);
  expect(asksForKeys(modes(ISIG | ICANON), LINES)).toBe(true);
  expect(asksForKeys(modes(ICANON | ECHO), LINES)).toBe(false);
});
