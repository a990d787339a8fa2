/**
 * Goes through a recording: what its terminal shows at any moment of it. To go back it
 * begins again at the nearest moment that it kept.
 */
import type { Entry } from "./format.ts";
import type { Chunk, Damage, RecordingReader } from "./read.ts";
import { MOST_COLUMNS, MOST_ROWS, type Size } from "./grid.ts";
import { Screen } from "./screen.ts";
import { Parser, type ParserState } from "./sequences.ts";

interface Kept {
  at_us: number;
  /** Where the block stands that comes then. */
  at: number;
  screen: ReturnType<Screen["save"]>;
  parser: ParserState;
  damage: Damage;
  omitted_bytes: number;
}

/** Of output, between two moments that are kept; doubled whenever there are too many. */
const KEPT_BYTES = 2 * 1024 * 1024;
const MOST_KEPT = 32;
/** In all; a cell takes 13 bytes, and there may be two screens. */
const MOST_KEPT_CELLS = 4 * 1024 * 1024;
/**
 * A few bytes may clear the screen a thousand times: nobody waits for more at once, and
 * of a large screen for less.
 */
const PIECE_BYTES = 2 * 1024;
const PIECE_CELL_BYTES = 20 * 1024 * 1024;
const SIZE = /^(\d{1,5})x(\d{1,5})$/;
const COUNT = /^\d{1,15}$/;

const decoder = new TextDecoder();

/** `COLUMNSxROWS`; null of what is none. */
export function sizeIn(bytes: Uint8Array): Size | null {
  const [, columns, rows] = SIZE.exec(decoder.decode(bytes)) ?? [];
  return Number(columns) > 0 && Number(rows) > 0
    ? { columns: Number(columns), rows: Number(rows) }
    : null;
}

/** How many bytes a record says are left out. */
export function omittedIn(bytes: Uint8Array): number {
  const text = decoder.decode(bytes);
  return COUNT.test(text) ? Number(text) : 0;
}

export class Playback {
  readonly screen: Screen;
  private readonly parser: Parser;
  private chunks: Iterator<Chunk>;
  private entries: Entry[] = [];
  private i = 0;
  /** Of the entry that comes next, what is shown already. */
  private written = 0;
  private kept: Kept[] = [];
  private every = KEPT_BYTES;
  private since = Infinity;
  /** When the last record was that is shown. */
  at_us = 0;
  omitted_bytes = 0;
  damage: Damage = { torn_bytes: 0, damaged_bytes: 0 };

  /** @param back whether it may go back: moments are kept for that */
  constructor(
    private readonly reader: RecordingReader,
    private readonly back = true,
  ) {
    this.screen = new Screen(reader.header);
    this.parser = new Parser(this.screen);
    this.chunks = reader.chunks(reader.first, 0, this.damage);
  }

  /** What comes next; null at the end. */
  peek(): Entry | null {
    while (this.i >= this.entries.length) {
      const { value } = this.chunks.next() as { value?: Chunk };
      if (!value) return null;
      this.entries = value.entries;
      this.i = 0;
      if (this.back && this.since >= this.every) this.keep(value);
    }
    return this.entries[this.i]!;
  }

  /**
   * Shows what comes next; of much output a piece, then the next.
   * @returns what it was
   */
  step(): Entry | null {
    const entry = this.peek();
    if (!entry) return null;
    const { at_us, kind, bytes } = entry;
    this.at_us = this.screen.now_us = at_us;
    const piece = bytes.subarray(
      this.written,
      this.written + this.pieceBytes(),
    );
    this.since += piece.length;
    this.written += piece.length;
    if (kind !== "o" || this.written >= bytes.length) {
      this.i++;
      this.written = 0;
    }
    if (kind === "o") this.parser.write(piece);
    else if (kind === "x") this.omitted_bytes += omittedIn(bytes);
    else {
      const size = sizeIn(bytes);
      if (size) this.screen.resize(size);
    }
    return entry;
  }

  private pieceBytes(): number {
    const { columns, rows } = this.screen;
    const fits = Math.ceil(PIECE_CELL_BYTES / (columns * rows.length));
    return Math.min(PIECE_BYTES, fits);
  }

  /**
   * Goes on to a moment, or back to one before it.
   * @param goesOn asked now and then
   * @returns whether it is there; else it is called again to go on
   */
  seek(to_us: number, goesOn: () => boolean): boolean {
    if (to_us < this.at_us) this.goBack(to_us);
    for (let entry = this.peek(); entry; entry = this.peek()) {
      if (entry.at_us > to_us) break;
      this.step();
      if (!goesOn()) return false;
    }
    return true;
  }

  /** Before the chunk that is just read. */
  private keep({ at }: Chunk): void {
    const last = this.kept.at(-1);
    if (last && last.at >= at) return;
    this.since = 0;
    const { at_us, omitted_bytes, damage } = this;
    this.kept.push({
      ...{ at_us, omitted_bytes, at, damage: { ...damage } },
      screen: this.screen.save(),
      parser: this.parser.save(),
    });
    const { columns, rows } = this.reader.header;
    const cells =
      Math.min(columns, MOST_COLUMNS) * Math.min(rows, MOST_ROWS) * 2;
    const most = Math.min(MOST_KEPT, Math.max(4, MOST_KEPT_CELLS / cells));
    if (this.kept.length <= most) return;
    this.kept = this.kept.filter((_, i) => i % 2 === 0);
    this.every *= 2;
  }

  private goBack(to_us: number): void {
    const first = this.kept[0]!;
    const at = this.kept.findLast((kept) => kept.at_us <= to_us) ?? first;
    this.screen.restore(at.screen);
    this.parser.restore(at.parser);
    this.at_us = at.at_us;
    this.omitted_bytes = at.omitted_bytes;
    this.damage = { ...at.damage };
    this.chunks = this.reader.chunks(at.at, at.at_us, this.damage);
    this.entries = [];
    this.i = 0;
    this.written = 0;
  }
}
