import { expect, test } from "bun:test";
import { patch, spoil } from "../../build.ts";

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

test("code is patched where it stands once; elsewhere the build stops", () => {
  const patches = [
    { what: "an option", code: "c6056b1d01", offset: 4, bytes: "00" },
    { what: "a jump", code: "0f843e01", offset: 0, bytes: "90e9" },
  ];
  const bytes = Buffer.from("90c6056b1d010f843e0190", "hex");
  patch(bytes, patches);
  expect(bytes.toString("hex")).toBe("90c6056b1d0090e93e0190");
  for (const hex of ["0f843e01", "c6056b1d010f843e010f843e01"])
    expect(() => patch(Buffer.from(hex, "hex"), patches)).toThrow(
      "this Bun differs from the one that was studied",
    );
});
