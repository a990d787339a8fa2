/** What docs/promises.md promises for each fault is held by tests that there are. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { section } from "../support/pages.ts";

const root = join(import.meta.dir, "../..");
const rows = section("What is promised")
  .text.split("\n")
  .filter((line) => line.startsWith("| "))
  .slice(2)
  .map((line) => line.split("|").map((cell) => cell.trim()));

/** The tests' texts with what begins the name of a test or a group of them. */
const sources = [...new Bun.Glob("test/**/*.test.ts").scanSync(root)]
  .filter((file) => !file.endsWith("promises.test.ts"))
  .map((file) => readFileSync(join(root, file), "utf8"));

test("every test that a promise names is there", () => {
  expect(rows.length).toBeGreaterThan(20);
  const missing: string[] = [];
  for (const [, fault, , held] of rows) {
    const names = [...held!.matchAll(/"([^"]+)"/g)].map(([, name]) => name!);
    if (names.length === 0) missing.push(`${fault}: none`);
    for (const name of names)
      if (!sources.some((text) => namesTest(text, name)))
        missing.push(`${fault}: ${name}`);
  }
  expect(missing).toEqual([]);
});

/** Whether a name, or a part of one that is made of parts, is that of a test or group. */
function namesTest(text: string, name: string): boolean {
  for (
    let at = text.indexOf(name);
    at !== -1;
    at = text.indexOf(name, at + 1)
  ) {
    const line = text.slice(0, at);
    const call = Math.max(
      line.lastIndexOf("test"),
      line.lastIndexOf("describe"),
    );
    // Between the call and the name: the table of cases, or the name's beginning.
    const between = text.slice(call, at);
    if (/^(test|describe)(\.each\([^]*\))?\(\s*["'`][^"'`]*$/.test(between))
      return true;
  }
  return false;
}
