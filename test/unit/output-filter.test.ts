/** Secrets are taken out of what a terminal shows, however it comes to show them. */
import { expect, test } from "bun:test";
import { EVERY_RULE } from "../../src/model/redaction/custom.ts";
import { Screen } from "../../src/model/recording/screen.ts";
import { Parser } from "../../src/model/recording/sequences.ts";
import { OutputFilter } from "../../src/record/output-filter.ts";
import {
  PLANTED,
  type Planted,
  WAYS,
  type Write,
  at,
} from "../support/planted.ts";

const FLUSH_US = 100_000;

/** What is written of it, by a recorder that looks 100 ms after something came, and when it is due. */
function written(writes: readonly Write[]): string {
  const filter = new OutputFilter(EVERY_RULE, 80);
  const out: Uint8Array[] = [];
  let [now_us, fresh_us] = [0, Infinity];
  const take = (all = false) => {
    for (const { bytes } of filter.take(now_us, all)) out.push(bytes);
    fresh_us = Infinity;
  };
  const due_us = () => Math.min(fresh_us, filter.due_us ?? Infinity);
  for (const { text, after_ms } of writes) {
    const until_us = now_us + after_ms * 1_000;
    for (let due; (due = due_us()) <= until_us; take())
      now_us = Math.max(now_us, due);
    now_us = until_us;
    filter.push({ at_us: now_us, bytes: Buffer.from(text) });
    fresh_us = Math.min(fresh_us, now_us + FLUSH_US);
  }
  take(true);
  return Buffer.concat(out).toString();
}

/** As somebody would read it: without sequences; the titles by themselves. */
const LETTERS = /\x1b\][^\x07\x1b]*|\x1b\[[\d;?]*[@-~]|[\x00-\x1f]/g;
const read = (text: string) => text.replace(LETTERS, "");

/** As it stood on the screen when it was last to be seen there. */
function seen(text: string): string {
  const screen = new Screen({ columns: 80, rows: 24 });
  new Parser(screen).write(Buffer.from(text.replaceAll("\x1b[?1049l", "")));
  return screen.rows.map((row) => row.text()).join("");
}

const shows = (text: string, { secret }: Planted) =>
  [text, read(text), seen(text)].some((form) => form.includes(secret));

test("there are enough of them", () => {
  expect(PLANTED.length).toBeGreaterThan(200);
});

test.each(Object.keys(WAYS))("no secret is written that is shown %s", (way) => {
  const found = PLANTED.filter((planted) =>
    shows(written(WAYS[way]!(planted)), planted),
  );
  expect(found.map(({ text }) => text)).toEqual([]);
});

test("nothing that is for the clipboard is written, however long it is", () => {
  const text = Buffer.from(PLANTED.map((one) => one.text).join("\n"));
  const packed = text.toString("base64").repeat(5);
  const pieces = packed.match(/[^]{1,3000}/g)!.map((piece) => at(900, piece));
  const writes = [at(0, "\x1b]52;c;"), ...pieces, at(0, "\x07over\r\n")];
  const out = written(writes);
  expect(out).toBe(`\x1b]52;c;${"*".repeat(packed.length)}\x07over\r\n`);
});

test("where nobody can tell what a secret is no letter is written, and the screen keeps its shape", () => {
  const filter = new OutputFilter(null, 80);
  const text = "\x1b[31mone two\x1b[0m\r\n\x1b]0;title\x07\x1b[5;3Hthree";
  filter.push({ at_us: 0, bytes: Buffer.from(text) });
  const out = filter.take(0, true).map(({ bytes }) => `${Buffer.from(bytes)}`);
  expect(out.join("")).toBe(
    "\x1b[31m*******\x1b[0m\r\n\x1b]*******\x07\x1b[5;3H*****",
  );
});
