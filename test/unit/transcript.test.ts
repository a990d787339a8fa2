/** The text of a recording as the dashboard's page makes it. */
import { expect, test } from "bun:test";
import "../../src/server/web/page/letter-width.ts";
import type { CastEvent } from "../../src/server/web/page/cast.ts";
import { transcriptOf } from "../../src/server/web/page/transcript-lines.ts";

const HEAD = { columns: 10, rows: 3, began_ms: 0 };

test("it is what was to be seen, line by line, with its time", async () => {
  const events: CastEvent[] = [
    [1, "o", "$ ls\r\n"],
    [2, "o", "\x1b[31ma long line of it\x1b[m\r\n"],
    [3, "r", "40x3"],
    [4, "m", "a command"],
    [5, "o", "12%\r100% \u4e2d\r\nend"],
  ];
  expect(await transcriptOf(HEAD, events)).toEqual([
    { at_s: 1, text: "$ ls" },
    { at_s: 2, text: "a long line of it" },
    { at_s: 5, text: "100% \u4e2d" },
    { at_s: 5, text: "end" },
  ]);
});

test("a browser counts cells as the executable does", () => {
  const { stringWidth } = globalThis as unknown as {
    stringWidth: (letter: string) => number;
  };
  // Those that have no cell are known before anybody counts.
  const none =
    /\p{Mn}|\p{Me}|\p{Cn}|\p{Cc}|\p{Cs}|\p{Co}|\p{Default_Ignorable_Code_Point}/u;
  const other: string[] = [];
  for (let code = 0x20; code < 0x3_0000; code++) {
    const letter = String.fromCodePoint(code);
    const here = Bun.stringWidth(letter) === 2 ? 2 : 1;
    if (!none.test(letter) && stringWidth(letter) !== here)
      other.push(code.toString(16));
  }
  expect(other).toEqual([]);
});
