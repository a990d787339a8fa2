import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { keepAtExec } from "../../at-exec.ts";
import { patch, spoil } from "../../build.ts";
import { BINARY } from "../support/sandbox.ts";

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

test("instructions go in front of an executable that is laid out as studied, and of no other", async () => {
  const built = readFileSync(BINARY);
  // What the build made has no note any more.
  expect(() => keepAtExec(built)).toThrow("no note behind its segments");
  const header = Buffer.alloc(8192);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(2, 56);
  header.writeUInt32LE(1, 64);
  header.writeUInt32LE(6, 68);
  for (const [at, value] of [
    [72, 4096],
    [80, 0x401000],
    [96, 4096],
    [104, 4096],
  ] as const)
    header.writeBigUInt64LE(BigInt(value), at);
  header.writeUInt32LE(4, 120);
  const made = keepAtExec(header);
  expect(made.readUInt32LE(120)).toBe(1);
  expect(made.readBigUInt64LE(24)).toBe(0x403018n);
  header.writeBigUInt64LE(8192n, 104);
  expect(() => keepAtExec(header)).toThrow("ends otherwise than was studied");
});
