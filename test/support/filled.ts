/** A database with all that may be in one: hostile texts, strangers, archives, redactions. */
import type { Event } from "../../src/model/event.ts";
import { Rejected } from "../../src/model/failure.ts";
import type { Provenance } from "../../src/model/reporter.ts";
import type { ServedStore } from "../../src/model/store.ts";
import { annotation, at, command, end, randomLife, start } from "./events.ts";
import type { Random } from "./random.ts";

const by = (subject: string): Provenance => ({
  ...{ via: "tcp", uid: null, subject, address: "192.0.2.7" },
  reporter: `token:${subject}`,
});
const root: Provenance = { ...by("root"), acts_for_all: true };
/** Of a version that did not ask who reports. */
const old: Provenance = {
  ...{ via: "socket", uid: 1000, subject: null, address: null },
};
const FROM = [
  undefined,
  undefined,
  by("web01"),
  by("'; --\0\u202e"),
  root,
  old,
];

export const HOSTILE = [
  `'"\`; DROP TABLE events; --`,
  "\0 in the middle\0",
  "\ue000 0 \ue0000 \ue000e",
  "👩‍💻 日本語 ключ",
  "\u202e\u2028\x1b[31m",
  "\\u0000 \\ud800 is no surrogate, \\\\ no escape",
  "half \ud800 a pair",
  `{"a":[1,null]} {} NULL $1 \t\r\n\b`,
  "x".repeat(64 * 1024),
];

const hostileId = (n: number) =>
  `bash-20260206-123456-${(0xf000 + n).toString(16).padStart(8, "0")}`;

function hostileLives(): Event[] {
  return HOSTILE.flatMap((text, n): Event[] => {
    const common = { session_id: hostileId(n) };
    return [
      start({
        ...common,
        timestamp: at(n),
        ...{ name: text, reason: text, tags: [text, ""], hostname: text },
        user: { username: text, home: text },
        environment: { python_version: text, platform: text, cwd: text },
        metadata: { [text]: text, nested: [[{ [text]: [1e21, -0, text] }]] },
      }),
      annotation(n, { ...common, metadata: { note: text } }),
      command(n, { ...common, seq: 1, pid: 9, text, cwd: text }),
      { ...annotation(n, common), event_type: text.slice(0, 100) } as Event,
      ...(n % 2 ? [end(n + 1, { ...common, signal: text })] : []),
    ];
  });
}

/**
 * Stores many lives, in the order of chance, by several reporters: some of it is
 * rejected, and some replaced.
 */
export async function fill(
  store: ServedStore,
  random: Random,
  lives: number,
): Promise<void> {
  const all = Array.from({ length: lives }, () => randomLife(random)).flat();
  const events = random.shuffled([...all, ...hostileLives()]);
  for (const batch of random.batches(events).flatMap((some) => cut(some, 97)))
    try {
      await store.append(batch, random.pick(FROM));
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
    }
}

function cut<T>(items: readonly T[], most: number): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < items.length; at += most)
    parts.push(items.slice(at, at + most));
  return parts;
}
