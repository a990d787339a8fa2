/** The text that whatever matches a regular expression has in it. */
import { expect, test } from "bun:test";
import { requiredText } from "../../src/store/postgres/required.ts";
import { Random } from "../support/random.ts";

test.each([
  ["^make .*install$", "install"],
  ["colou?r", "colo"],
  ["abc+def", "abc"],
  ["ab{0,3}cdef", "cdef"],
  [String.raw`a\.txt`, "a.txt"],
  [String.raw`x\pNabc`, "abc"],
  [String.raw`x\p{Greek}abc`, "abc"],
  [String.raw`\x41bcd\101efg`, "bcd"],
  [String.raw`\Qabcd`, null],
  ["[abcdef]gh", null],
  ["[]abcdef]ghi", "ghi"],
  ["[^[:alpha:]xyz]abc", "abc"],
  ["(abcdef)?", null],
  ["(abc)def", "def"],
  ["abc|def", null],
  ["(?i)abc", null],
  ["ключи*", "ключ"],
  ["👩👩👩*x", "👩👩"],
  ["ab", null],
])("of %p it is %p", (pattern, text) => {
  expect(requiredText(pattern)).toBe(text);
});

test("what matches has it", () => {
  const random = Random.seeded("required");
  const parts = ["a", "b", "ab", "é", ".", "\\.", "[ab]", "(ab)", "\\w", "c"];
  const repeats = ["", "", "", "?", "*", "+", "{0,2}", "{2}"];
  let required = 0;
  for (let round = 0; round < 3_000; round++) {
    const pattern = Array.from(
      { length: random.int(2, 9) },
      () => random.pick(parts) + random.pick(repeats),
    ).join("");
    const text = requiredText(pattern);
    if (text === null) continue;
    required++;
    const line = Array.from({ length: 40 }, () =>
      random.pick(["a", "b", "c", "é", "."]),
    ).join("");
    for (const [match] of line.matchAll(new RegExp(pattern, "gu")))
      if (match)
        expect([pattern, match]).toEqual([
          pattern,
          expect.stringContaining(text),
        ]);
  }
  expect(required).toBeGreaterThan(100);
});
