import { expect, test } from "bun:test";
import { spoil } from "../../build.ts";

test("names are spoilt everywhere, and another count of them stops the build", () => {
  const bytes = Buffer.from("a BUN_BE_BUN b BUN_OPTIONS BUN_OPTIONS c");
  spoil(bytes, { BUN_BE_BUN: 1, BUN_OPTIONS: 2 });
  expect(bytes.toString()).toBe("a _UN_BE_BUN b _UN_OPTIONS _UN_OPTIONS c");
  const once = () => Buffer.from("BUN_BE_BUN");
  for (const count of [0, 2])
    expect(() => spoil(once(), { BUN_BE_BUN: count })).toThrow(
      `BUN_BE_BUN stands 1 times in the executable, not ${count}`,
    );
  expect(() => spoil(once(), { BUN_OPTIONS: 1 })).toThrow("0 times");
});
