/** Messages that wait to be handed on, and how they are read back. */
import { expect, test } from "bun:test";
import { Backlog } from "../../src/record/backlog.ts";
import { Messages } from "../../src/record/tap.ts";

test("what is taken in pieces of any size is what was put, and it says how long the first has waited", () => {
  const backlog = new Backlog();
  const messages = new Messages();
  let put = 0;
  let read = 0;
  let waits = 0;
  const textOf = (n: number) => `${n} `.repeat((n * 7919) % 9000);
  let seed = 7;
  const next = (below: number) =>
    (seed = (seed * 48_271) % 2_147_483_647) % below;
  while (put < 300 || backlog.bytes > 0) {
    for (let more = put < 300 ? next(40) : 0; more > 0; more--) {
      backlog.put("o", put, Buffer.from(textOf(put)));
      put++;
    }
    if (backlog.bytes === 0) continue;
    // Of the message that was taken in part the rest waits.
    expect(backlog.since_us).toBe(waits);
    const some = backlog.left.slice(0, 1 + next(300_000));
    expect(backlog.bytes).toBeGreaterThanOrEqual(some.length);
    backlog.take(some.length);
    for (const { kind, at_us, bytes } of messages.read(some)) {
      expect([kind, at_us]).toEqual(["o", read]);
      expect(Buffer.from(bytes).toString()).toBe(textOf(read));
      waits = ++read;
    }
  }
  expect([read, backlog.left.length]).toEqual([put, 0]);
});
