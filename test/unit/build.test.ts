import { expect, test } from "bun:test";
import { spareThread, spoil } from "../../build.ts";

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

test("the thread is spared where its option is chosen, once; elsewhere the build stops", () => {
  const code = "c6056b1de10401";
  const bytes = Buffer.from(`9090${code}90`, "hex");
  spareThread(bytes);
  expect(bytes.toString("hex")).toBe("9090c6056b1de1040090");
  for (const hex of ["9090", `${code}90${code}`])
    expect(() => spareThread(Buffer.from(hex, "hex"))).toThrow(
      "this Bun differs from the one that was studied",
    );
});
