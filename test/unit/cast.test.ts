/** Recordings as the dashboard's page reads and paces them. */
import { expect, test } from "bun:test";
import {
  type CastEvent,
  CastReader,
  Pace,
} from "../../src/server/web/page/cast.ts";
import { Random } from "../support/random.ts";

const HEADER =
  '{"version":3,"term":{"cols":84,"rows":24},"timestamp":1770384667}\n';

test("a cast is read piece by piece, as it comes", () => {
  const text = `${HEADER}# a comment\n[0.5,"o","a\\nb"]\n[1,"r","100x30"]\n[0.25,"m","ls"]\n`;
  for (let at = 0; at <= text.length; at++) {
    const reader = new CastReader();
    const events = [
      ...reader.push(text.slice(0, at)),
      ...reader.push(text.slice(at)),
    ];
    expect(reader.head).toEqual({
      ...{ columns: 84, rows: 24, began_ms: 1_770_384_667_000 },
    });
    expect(events).toEqual([
      [0.5, "o", "a\nb"],
      [1.5, "r", "100x30"],
      [1.75, "m", "ls"],
    ]);
  }
});

test("what is no cast is refused, and a better known begin counts", () => {
  expect(() => new CastReader().push('{"version":2}\n')).toThrow(
    "no recording",
  );
  const reader = new CastReader();
  reader.push(HEADER, 1_770_384_667_250);
  expect(reader.head!.began_ms).toBe(1_770_384_667_250);
});

const at = (...seconds: number[]): CastEvent[] =>
  seconds.map((at_s) => [at_s, "o", ""]);

test("waits are shortened, and each moment is found again", () => {
  const pace = new Pace(at(1, 11, 12, 3_612), 2);
  expect(
    [0, 1, 2, 3, 7, 11, 12, 14, 60, 3_612].map((s) =>
      Number(pace.played(s).toFixed(3)),
    ),
  ).toEqual([0, 1, 2, 3, 2.999, 3, 4, 6, 5.999, 6]);
  expect([0, 1, 3, 4, 5, 6].map((s) => pace.recorded(s))).toEqual([
    0, 1, 11, 12, 13, 3_612,
  ]);
});

test("without a limit all is as it was", () => {
  const pace = new Pace(at(1, 3_600), null);
  expect(pace.played(1_800)).toBe(1_800);
  expect(pace.recorded(1_800)).toBe(1_800);
});

test("of any recording: nothing goes back, no wait is longer, and what happens is found again", () => {
  const random = Random.seeded("pace");
  for (let n = 0; n < 200; n++) {
    let at_s = 0;
    const events = at(
      ...Array.from({ length: random.int(1, 40) }, () => {
        at_s += random.chance(0.3) ? random.int(0, 5_000) : random.next();
        return at_s;
      }),
    );
    const limit_s = random.pick([0.5, 2, 10]);
    const pace = new Pace(events, limit_s);
    let last = 0;
    for (const [at_s] of events) {
      const played = pace.played(at_s);
      expect(played).toBeGreaterThanOrEqual(last - 1e-6);
      expect(played - last).toBeLessThanOrEqual(limit_s + 1e-6);
      expect(pace.recorded(played)).toBeCloseTo(at_s, 4);
      last = played;
    }
  }
});
