import { expect, test } from "bun:test";
import { Sandbox } from "../support/sandbox.ts";

const SHELL = ["shell", "--reason", "r".repeat(100_000), "--", "sh", "-c"];

for (const [what, filler] of [
  ["control characters", "\x01".repeat(60_000)],
  ["plain text", "x".repeat(120_000)],
  ["many empty words", null],
] as const)
  test(`a command line that is too long to record, of ${what}, is cut, not lost`, async () => {
    using sandbox = new Sandbox();
    const words = filler === null ? Array<string>(60_000).fill("") : [filler];
    const { exitCode } = await sandbox.run([...SHELL, "exit 3", ...words]);
    expect(exitCode).toBe(3);
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: 3,
    });
  });

test("metadata that is too much is refused, not cut", async () => {
  using sandbox = new Sandbox();
  const { exitCode, stderr } = await sandbox.run([
    ...["shell", "--meta", `a=${"x".repeat(70_000)}`, "--", "true"],
  ]);
  expect(exitCode).toBe(64);
  expect(stderr).toMatch(
    /types, tags and metadata are \d+ bytes together, at most 65536 are recorded/,
  );
  expect(await sandbox.list()).toEqual([]);
});
