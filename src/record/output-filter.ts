/**
 * Takes secrets out of what a terminal shows before it is written: holds a row back
 * until it is whole, at most 4 KiB or 2 s of it, looks at it without colours, also where
 * it was drawn over, and puts as many other letters in a secret's place: the screen
 * keeps its shape.
 */
import { rowsOf, type Row } from "../model/recording/rows.ts";
import type { Choice } from "../model/redaction/custom.ts";
import { findSecrets } from "../model/redaction/redact.ts";
import { suspectLines } from "../model/redaction/bulk.ts";
import { isSuspect } from "../model/redaction/suspect.ts";

/** Bytes that were shown at a moment. */
export interface Shown {
  at_us: number;
  bytes: Uint8Array;
}

const HELD_BYTES = 4 * 1024;
const HELD_US = 2_000_000;
/** What was let go and a secret may begin in. */
const CONTEXT_BYTES = 4 * 1024;
/** A private key in PEM, line after line. */
const KEY_BYTES = 64 * 1024;
const KEY_BEGINS = /-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY/;
const KEY_ENDS = /-----END/;
const LF = 10;
/** Whoever has one of these may draw a row in pieces: backspace, CSI with a movement. */
const DRAWS = /[\b]|\r(?!\n)|\x1b\[[\d;?]*[A-HJKPd]/;

export class OutputFilter {
  /** The last bytes of what was let go, from the start of a row on. */
  private context: Uint8Array = new Uint8Array();
  private held: Shown[] = [];
  private held_bytes = 0;
  /** How much of a private key may still come. */
  private key_left = 0;

  /** @param choice null: what could be a secret cannot be told, all is withheld */
  constructor(private readonly choice: Choice | null) {}

  push(shown: Shown): void {
    this.held.push(shown);
    this.held_bytes += shown.bytes.length;
  }

  /** When what is held has to go; null: nothing is held. */
  get due_us(): number | null {
    const [oldest] = this.held;
    return oldest ? oldest.at_us + HELD_US : null;
  }

  /**
   * What may be written by now.
   * @param all nothing more will come
   */
  take(now_us: number, all = false): Shown[] {
    if (this.held_bytes === 0) return [];
    const bytes = Buffer.concat([
      this.context,
      ...this.held.map((shown) => shown.bytes),
    ]);
    const start = this.context.length;
    const late = this.held_bytes > HELD_BYTES || now_us >= this.due_us!;
    const end = all || late ? bytes.length : bytes.lastIndexOf(LF) + 1;
    if (end <= start) return [];
    const clean = Buffer.from(bytes);
    this.clean(bytes, clean, start, end);
    this.keepContext(bytes.subarray(0, end));
    return this.letGo(clean.subarray(start, end));
  }

  private clean(
    bytes: Buffer,
    clean: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (this.choice === null) {
      for (let i = start; i < end; i++) if (bytes[i]! > 0x20) clean[i] = 0x2a;
      return;
    }
    const blank = (from: number, to: number) =>
      clean.fill(0x2a, Math.max(from, start), Math.min(to, end));
    for (const { from, to } of this.suspects(bytes, this.choice)) {
      const part = bytes.subarray(from, to);
      this.cleanPart(part, this.choice, start - from, end - from, (a, b) =>
        blank(from + a, from + b),
      );
    }
  }

  /** The parts of it that have to be looked at letter by letter. */
  private suspects(
    bytes: Buffer,
    choice: Choice,
  ): { from: number; to: number }[] {
    const whole = [{ from: 0, to: bytes.length }];
    const text = bytes.toString("latin1");
    if (this.key_left > 0 || DRAWS.test(text)) return whole;
    const shown = Bun.stripANSI(text);
    const words = choice.patterns.map(({ word }) => word);
    const lines = suspectLines(shown, words);
    if (lines.length === 0) return [];
    const joined = lines
      .map(({ from, to }) => shown.slice(from, to))
      .join("\n");
    const found = findSecrets(joined, choice);
    const isClean = found?.spans.length === 0 && found.withheld_from === null;
    return isClean && !KEY_BEGINS.test(joined) ? [] : whole;
  }

  private cleanPart(
    bytes: Uint8Array,
    choice: Choice,
    start: number,
    end: number,
    blank: (from: number, to: number) => void,
  ): void {
    const { drawn, came } = rowsOf(bytes);
    for (const rows of drawn === came ? [came] : [came, drawn])
      for (const row of rows) {
        if (!isSuspect(row.text, choice.patterns)) continue;
        const found = findSecrets(row.text, choice);
        const spans = found?.spans ?? [{ from: 0, to: row.text.length }];
        if (found && found.withheld_from !== null)
          spans.push({
            from: found.withheld_from,
            ...{ to: row.text.length, rule: "withheld" },
          });
        for (const { from, to } of spans)
          for (const at of row.at.slice(from, to))
            if (at >= 0) blank(at, at + 1);
      }
    this.blankKeys(came, blank, start, end);
  }

  /** What stands between the first line of a private key and its last. */
  private blankKeys(
    rows: readonly Row[],
    blank: (from: number, to: number) => void,
    start: number,
    end: number,
  ): void {
    for (const { text, at } of rows) {
      const first = at[0]!;
      if (first >= end) return;
      if (KEY_BEGINS.test(text)) this.key_left = KEY_BYTES;
      else if (KEY_ENDS.test(text)) this.key_left = 0;
      else if (this.key_left > 0 && at.at(-1)! >= start) {
        for (const i of at) blank(i, i + 1);
        this.key_left = Math.max(0, this.key_left - text.length);
      }
    }
  }

  /** What is there of a row that is not over. */
  private keepContext(gone: Uint8Array): void {
    const last = gone.subarray(Math.max(0, gone.length - CONTEXT_BYTES));
    const row = last.lastIndexOf(LF) + 1;
    this.context = Uint8Array.from(last.subarray(row));
  }

  private letGo(clean: Uint8Array): Shown[] {
    const out: Shown[] = [];
    for (let at = 0; at < clean.length;) {
      const { at_us, bytes } = this.held[0]!;
      const left = clean.length - at;
      if (bytes.length <= left) this.held.shift();
      else this.held[0] = { at_us, bytes: bytes.subarray(left) };
      const count = Math.min(bytes.length, left);
      out.push({ at_us, bytes: clean.subarray(at, at + count) });
      at += count;
      this.held_bytes -= count;
    }
    return out;
  }
}
