/**
 * What may become of bytes and of values on their way: seeded changes of one
 * that was right.
 */
import type { Json } from "../../src/model/event.ts";
import type { Random } from "../support/random.ts";

/** How many cases; `bun run fuzz` asks for all of them, a test run for some. */
export const CASES = Number(process.env["FUZZ_CASES"] ?? 300);

const NASTY_BYTES = [
  [0],
  [0xff],
  [0xc0, 0x80],
  [0xed, 0xa0, 0x80],
  [0xef, 0xbb, 0xbf],
  [0xe2, 0x80, 0xa8],
  [0x0d],
  [0x1b, 0x5b],
  [0x22],
  [0x5c],
  [0x7b],
  [0x5d],
];

/** Other bytes of about the same length; never a newline that was not there. */
export function mutatedBytes(random: Random, bytes: Uint8Array): Uint8Array {
  let out = Uint8Array.from(bytes);
  for (let n = random.int(1, 3); n > 0; n--) out = mutatedOnce(random, out);
  return out.map((byte) => (byte === 10 ? 32 : byte));
}

function mutatedOnce(
  random: Random,
  bytes: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const at = random.int(0, Math.max(0, bytes.length - 1));
  const to = random.int(at, bytes.length);
  const spliced = (...parts: (Uint8Array | number[])[]) =>
    new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))));
  switch (random.int(0, 5)) {
    case 0: {
      const flipped = Uint8Array.from(bytes);
      if (bytes.length > 0) flipped[at]! ^= 1 << random.int(0, 7);
      return flipped;
    }
    case 1:
      return Uint8Array.from(bytes.subarray(0, at));
    case 2:
      return spliced(bytes.subarray(0, at), bytes.subarray(to));
    case 3:
      return spliced(bytes.subarray(0, to), bytes.subarray(at));
    case 4:
      return spliced(
        bytes.subarray(0, at),
        random.pick(NASTY_BYTES),
        bytes.subarray(at),
      );
    default:
      return spliced(
        bytes.subarray(0, at),
        random.pick(NASTY_BYTES),
        bytes.subarray(at + 1),
      );
  }
}

const NASTY_JSON = [
  "null",
  "true",
  "-1",
  "0.5",
  "1e308",
  "1e999",
  "-0",
  "9007199254740993",
  "123456789012345678901234567890",
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\u202e\\u2028"',
  '"2026-02-30T00:00:00Z"',
  '"9999-12-31T23:59:59+14:00"',
  "[]",
  "[[]]",
  "{}",
  '{"__proto__":{"a":1},"constructor":2}',
  '{"toString":null}',
  '"../../../../etc/passwd"',
  '"\'; DROP TABLE events; --"',
];

/** The JSON text of a value, changed somewhere within. */
export function mutatedJson(random: Random, value: Json): string {
  const deep = random.int(1, 3_000);
  const nasty = () =>
    random.chance(0.05)
      ? "[".repeat(deep) + "]".repeat(deep)
      : random.chance(0.03)
        ? JSON.stringify("x".repeat(random.pick([70_000, 262_144, 300_000])))
        : random.pick(NASTY_JSON);
  const places = random.int(0, countOf(value));
  let left = places;
  const text = (of: Json): string => {
    if (left-- === 0) return nasty();
    if (Array.isArray(of)) return `[${of.map(text).join(",")}]`;
    if (typeof of !== "object" || of === null) return JSON.stringify(of);
    const members = Object.entries(of).map(
      ([key, member]) => `${JSON.stringify(key)}:${text(member)}`,
    );
    const some = random.chance(0.05) && members.length > 0;
    // The same name twice, one that nobody knows, or one too few.
    if (some)
      members.push(`${random.pick(members).split(":", 1)[0]}:${nasty()}`);
    if (random.chance(0.03)) members.push(`"unknown":${nasty()}`);
    if (random.chance(0.03)) members.splice(random.int(0, members.length), 1);
    return `{${(random.chance(0.1) ? random.shuffled(members) : members).join(",")}}`;
  };
  return text(value);
}

/** Values within a value, itself counted. */
function countOf(value: Json): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce<number>(
    (sum, of) => sum + countOf(of!),
    1,
  );
}
