import { expect, test } from "bun:test";
import { escapeCell, escapeText } from "../../src/render/escape.ts";
import { Random } from "../support/random.ts";

test("what could act on a terminal is shown as an escape", () => {
  expect(escapeText("a\n\r\tb")).toBe("a\\n\\r\\tb");
  expect(escapeText("\x1b]0;owned\x07")).toBe("\\x1b]0;owned\\x07");
  expect(escapeText("\0\x7f\x9b31m")).toBe("\\x00\\x7f\\x9b31m");
  expect(escapeText("\u202etxt.exe\u2066\u2069")).toBe(
    "\\u202etxt.exe\\u2066\\u2069",
  );
  expect(escapeText("\u2028\u2029\u200e\u200f\u061c")).toBe(
    "\\u2028\\u2029\\u200e\\u200f\\u061c",
  );
});

test("what people write stays as it is", () => {
  const text = "naïve 日本語 עברית 👩💻 ❤ ~/a b";
  expect(escapeText(text)).toBe(text);
});

test("a cell holds no blank and is never empty", () => {
  expect(escapeCell("")).toBe("-");
  expect(escapeCell("a b")).toBe("a\\x20b");
  expect(escapeCell("a\u00a0b\u3000c\ufeff")).toBe("a\\xa0b\\u3000c\\ufeff");
});

test("no text gets a control or a blank through", () => {
  const random = Random.seeded("escape");
  for (let n = 0; n < 2_000; n++) {
    const text = String.fromCharCode(
      ...Array.from({ length: random.int(0, 40) }, () =>
        random.int(0, random.pick([0xff, 0x2100, 0xffff])),
      ),
    );
    expect(escapeText(text)).not.toMatch(
      /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u,
    );
    expect(escapeCell(text)).toMatch(/^\S+$/u);
  }
});
