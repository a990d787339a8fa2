/** So many bytes a second, and no more; what is slow by itself is not slowed down. */
import { expect, test } from "bun:test";
import { Pace } from "../../src/access/deliver-recordings.ts";

function paced(bytes_per_second: number) {
  let ms = 5_000;
  const slept: number[] = [];
  const pace = new Pace(
    bytes_per_second,
    () => ms,
    async (pause_ms) => {
      slept.push(pause_ms);
      ms += pause_ms;
    },
  );
  return { pace, slept, passes: (took_ms: number) => (ms += took_ms) };
}

test("pieces that go at once take as long as their bytes may", async () => {
  const { pace, slept } = paced(100_000);
  expect(pace.piece_bytes).toBe(100_000);
  for (let n = 0; n < 10; n++) await pace.after(50_000);
  expect(slept.reduce((sum, one) => sum + one)).toBe(5_000);
});

test("a link that is slower is not waited for, and one that was catches up", async () => {
  const { pace, slept, passes } = paced(1_000_000);
  expect(pace.piece_bytes).toBe(256 * 1024);
  passes(3_000);
  await pace.after(1_000_000);
  expect(slept).toEqual([]);
  await pace.after(1_000_000);
  expect(slept).toEqual([]);
  await pace.after(2_000_000);
  expect(slept).toEqual([1_000]);
});
