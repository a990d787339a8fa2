/**
 * Takes secrets out of what a terminal shows before it is written: holds a row back
 * until it is whole, at most 4 KiB or 2 s of it, looks at it without colours, as it came
 * and as it stands on the screen, and puts as many other letters in a secret's place:
 * the screen keeps its shape.
 *
 * Of a row that is not over by then, what may still become a secret (half a token, the
 * beginning of a quote) waits for half a minute, and goes without its letters then.
 */
import { type Rows, rowsOf } from "../model/recording/rows.ts";
import type { Row } from "../model/recording/walk.ts";
import type { Choice } from "../model/redaction/custom.ts";
import { findSecrets } from "../model/redaction/redact.ts";
import { LineScan, type Scanned } from "../model/redaction/bulk.ts";
import { unfinishedSecret } from "../model/redaction/unfinished.ts";
import { KeyRows, beginsKey } from "./key-rows.ts";
import { blankSecrets, formsOf } from "./row-secrets.ts";

/** Bytes that were shown at a moment. */
export interface Shown {
  at_us: number;
  bytes: Uint8Array;
}

const HELD_BYTES = 4 * 1024;
const HELD_US = 2_000_000;
/** What may become a secret. */
const UNTOLD_US = 30_000_000;
/** What was let go, and a secret may begin in. */
const CONTEXT_BYTES = 16 * 1024;
/** Who draws a row at once is not typing it. */
const TYPED_LETTERS = 32;
/** Letters in a row that may be the beginning of a token without a name. */
const RUN_BYTES = 8;
const LF = 10;
/** What a text for the clipboard begins with (OSC 52). */
const COPIES = Buffer.from("\x1b]52;c;");
const STAR = 0x2a;

export class OutputFilter {
  /** The last bytes of what was let go. */
  private context: Uint8Array = new Uint8Array();
  private held: Shown[] = [];
  private held_bytes = 0;
  /** What is held may become a secret, and nothing has come since that was found. */
  private untold = false;
  /** What comes is for the clipboard, and has been for a while. */
  private copies = false;
  private readonly keys = new KeyRows();
  private readonly lines: LineScan;

  /**
   * @param choice null: what could be a secret cannot be told, all letters are withheld
   * @param columns how wide the terminal is
   */
  constructor(
    private readonly choice: Choice | null,
    private columns: number,
  ) {
    this.lines = new LineScan(choice?.patterns.map(({ word }) => word) ?? []);
  }

  push(shown: Shown): void {
    this.held.push(shown);
    this.held_bytes += shown.bytes.length;
    this.untold = false;
  }

  resize(columns: number): void {
    this.columns = columns;
  }

  /** When what is held has to go; null: nothing is held. */
  get due_us(): number | null {
    const [oldest] = this.held;
    if (!oldest) return null;
    return oldest.at_us + (this.untold ? UNTOLD_US : HELD_US);
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
    const scanned = this.plain(bytes);
    const goes_on = scanned?.full ?? this.mayGoOn(bytes);
    const over = Math.max(start, finished(bytes, goes_on));
    const late =
      all ||
      bytes.length - over > HELD_BYTES ||
      now_us >= this.timeAt(over) + HELD_US;
    if (!late && over === start) return [];
    let clean = bytes;
    const typed = late && over < bytes.length;
    let end = late ? bytes.length : over;
    if (!scanned || (typed && this.mayBeTyped(bytes, scanned))) {
      const rows = rowsOf(bytes, this.columns);
      clean = Buffer.from(bytes);
      this.clean(rows, clean, start, end);
      if (typed) end = this.hold(rows, clean, over, now_us, all);
      this.copies = rows.clipboard_open && end === bytes.length;
    }
    if (end <= start) return [];
    this.keepContext(bytes.subarray(0, end), scanned === null);
    return this.letGo(clean.subarray(start, end));
  }

  /** @returns null where letters have to be looked at one by one */
  private plain(bytes: Uint8Array): Scanned | null {
    if (this.choice === null || this.keys.expects) return null;
    const scanned = this.lines.scan(bytes, this.columns);
    if (scanned.moves) return null;
    const { suspects } = scanned;
    if (suspects === "") return scanned;
    if (beginsKey(suspects)) return null;
    return hasSecret(suspects, this.choice) ? null : scanned;
  }

  /** Whether the last row that is over may go on in the next; see `Scanned.full`. */
  private mayGoOn(bytes: Buffer): boolean {
    const end = bytes.lastIndexOf(LF);
    const from = bytes.lastIndexOf(LF, end - 1) + 1;
    if (end - from < this.columns) return false;
    const { came } = rowsOf(bytes.subarray(from, end), Infinity);
    return came.some(({ at }) => at.length % this.columns === 0);
  }

  /** Megabytes without an end of a row are nobody's typing. */
  private mayBeTyped(bytes: Uint8Array, { unfinished }: Scanned): boolean {
    if (unfinished <= HELD_BYTES) return true;
    const tail = Buffer.from(bytes.subarray(-RUN_BYTES)).toString("latin1");
    return /^[\w+/=-]+$/.test(tail);
  }

  private clean(rows: Rows, clean: Buffer, start: number, end: number): void {
    const { choice } = this;
    const blank = (at: number) => {
      if (at >= start && at < end) clean[at] = STAR;
    };
    const isNew = ({ at }: Row) => at.some((i) => i >= start);
    for (const row of rows.clipboard)
      for (const i of row.at.slice(row.text.indexOf(";", 3) + 1)) blank(i);
    const fresh = [...rows.came, ...rows.drawn].filter(isNew);
    if (choice !== null) blankSecrets(fresh, choice, blank);
    else for (const { at } of fresh) at.forEach(blank);
    this.keys.look(rows, start, end, blank);
  }

  /**
   * Looks at rows that are not over.
   * @param start where those begin that are new
   * @returns up to where all may go
   */
  private hold(
    { came, drawn, left_at }: Rows,
    clean: Buffer,
    start: number,
    now_us: number,
    all: boolean,
  ): number {
    const letters = new Set<number>();
    for (const { text, at } of [...came, ...drawn]) {
      const last = at.findLastIndex((i) => i >= start);
      if (last < 0) continue;
      const place = unfinishedSecret(text.slice(0, last + 1));
      if (!place) continue;
      const found = at.slice(place.from, last + 1).filter((i) => i >= start);
      const elsewhere = found[0]! < left_at && found.length > TYPED_LETTERS;
      if (!elsewhere) for (const i of found) letters.add(i);
    }
    const from = Math.min(...letters);
    const waits =
      !all &&
      from > left_at &&
      clean.length - from <= HELD_BYTES &&
      now_us < this.timeAt(from) + UNTOLD_US;
    this.untold = waits && letters.size > 0;
    if (this.untold) return from;
    for (const i of letters) clean[i] = STAR;
    return clean.length;
  }

  /** When a byte of what is held was shown. @param at where it stands behind the context */
  private timeAt(at: number): number {
    let end = this.context.length;
    for (const { at_us, bytes } of this.held)
      if ((end += bytes.length) > at) return at_us;
    return Infinity;
  }

  /** What is there of a row that is not over; where the cursor moves, of all rows. */
  private keepContext(gone: Uint8Array, moves: boolean): void {
    if (this.copies) {
      this.context = COPIES;
      return;
    }
    const last = gone.subarray(Math.max(0, gone.length - CONTEXT_BYTES));
    const row = moves ? 0 : last.lastIndexOf(LF) + 1;
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

/** So many letters are judged together, well before a deadline. */
const PIECE = 16 * 1024;

/** @param text lines */
function hasSecret(text: string, choice: Choice): boolean {
  for (let from = 0; from < text.length;) {
    const end = text.indexOf("\n", from + PIECE);
    const to = end < 0 ? text.length : end;
    if (formsOf(text.slice(from, to)).some((form) => isFound(form, choice)))
      return true;
    from = to + 1;
  }
  return false;
}

function isFound(text: string, choice: Choice): boolean {
  const found = findSecrets(text, choice);
  return found?.spans.length !== 0 || found.withheld_from !== null;
}

/** Where the rows end that are over. @param goes_on the last of them may go on */
function finished(bytes: Buffer, goes_on: boolean): number {
  const end = bytes.lastIndexOf(LF);
  return (goes_on && end > 0 ? bytes.lastIndexOf(LF, end - 1) : end) + 1;
}
