/** A screen made anew by sequences is the same screen, also for what comes then. */
import { expect, test } from "bun:test";
import { Harmless } from "../../src/model/recording/harmless.ts";
import { Screen } from "../../src/model/recording/screen.ts";
import { Parser } from "../../src/model/recording/sequences.ts";
import { snapshot } from "../../src/render/snapshot.ts";
import { Random } from "../support/random.ts";
import { hostile } from "../support/recording.ts";

const E = "\x1b";
const SIZE = { columns: 20, rows: 6 };

class Terminal {
  readonly screen = new Screen(SIZE);
  private readonly parser = new Parser(this.screen);

  write(text: string): this {
    this.parser.write(new TextEncoder().encode(text));
    return this;
  }

  /** All that is to be seen. */
  get seen() {
    const { rows, cursor, s } = this.screen;
    const width = SIZE.columns;
    return {
      rows: rows.map((row) => row.text().trimEnd()),
      colors: rows.map((row) =>
        [...row.codes.subarray(0, width)].map((code, i) =>
          // Of a blank the letter's colour is not to be seen.
          code === 0 || code === 0x20
            ? [0, row.bg[i], row.flags[i]! & 0x28]
            : [row.fg[i], row.bg[i], row.flags[i]],
        ),
      ),
      cursor: cursor && [cursor.row, cursor.column],
      alternate: s.behind !== null,
    };
  }
}

/** One that saw all, and one that saw a picture of it: what comes then looks alike. */
function compare(before: string, after: string): void {
  const saw = new Terminal().write(before);
  const joined = new Terminal().write("something else\r\n\x1b[?1049hmore");
  joined.write(snapshot(saw.screen));
  expect(joined.seen).toEqual(saw.seen);
  saw.write(after);
  joined.write(after);
  expect(joined.seen).toEqual(saw.seen);
}

const LONG = "x".repeat(20);

test.each([
  ["plain text", "hello\r\nworld", "!"],
  ["colours, a background to the end", `${E}[1;31;44mred${E}[K\r\nx`, "y"],
  ["the cursor waits behind the last cell", LONG, "y"],
  ["the same behind a wide letter", `${"x".repeat(18)}界`, "y"],
  ["wide letters and accents", "界e\u0301界", "\b\b\bz"],
  ["the alternate screen", `main${E}[3;4H${E}[?1049halt`, `${E}[?1049lback`],
  ["a region", `${E}[2;4r${E}[4;1Hlast`, "\n\n\nnew"],
  ["a region and its origin", `${E}[2;4r${E}[?6h${E}[2;3Hx`, `${E}[1;1Htop`],
  ["letters that are lines", `${E}(0lqk`, "x"],
  ["the other set of letters", `${E})0\x0eqq`, "q\x0fq"],
  ["inserting", `abc\r${E}[4h`, "xy"],
  ["without wrapping", `${E}[?7l`, `${LONG}yz`],
  ["a cursor that is hidden", `${E}[?25lx`, "y"],
  [
    "a cursor that was saved",
    `${E}[31m${E}[2;3H${E}7${E}[m${E}[5;5Hx`,
    `${E}8y`,
  ],
  ["tabs of its own", `${E}[3g${E}[1;4H${E}H\r`, "\tx"],
  ["what feeds lines", `${E}[20ha\nb`, "\nc"],
])("%s", (_, before, after) => compare(before, after));

test("whatever hostile programs wrote", () => {
  const random = Random.seeded("snapshot");
  // Halves of wide letters are nobody's picture.
  const some = (texts: readonly string[]) =>
    Array.from({ length: 40 }, () =>
      random.chance(0.5) ? hostile(random) : random.pick(texts),
    ).join("");
  for (let i = 0; i < 300; i++) {
    // No sequence is cut in two where they meet.
    const harmless = new Harmless();
    const write = (text: string) =>
      harmless.write(new TextEncoder().encode(text));
    const before = write(some(["ab", "\r\n", "e\u0301", LONG, "\t"]));
    // Which letter a sequence repeats is not in a picture.
    compare(before, write(`\x18~${some(["ab", "\r\n", "界", LONG, "\t"])}`));
  }
});

test("nothing is in it but letters, colours, places and modes of the screen", () => {
  const { screen } = new Terminal().write(
    `${E}(x${E}]0;title\x07${E}[?1000hx\u202e`,
  );
  expect(snapshot(screen).replace(/\x1b(c|7|\[[\d;]*[mHG])/g, "")).toBe("x");
});
