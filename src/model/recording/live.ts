/**
 * A recording that still grows, as it comes: the screen of this moment, and what is
 * harmless of each record since.
 */
import { eventOf } from "./cast.ts";
import type { Entry } from "./format.ts";
import { Harmless } from "./harmless.ts";
import { sizeIn } from "./playback.ts";
import type { RecordingReader } from "./read.ts";
import { Screen } from "./screen.ts";
import { Parser } from "./sequences.ts";

/** An event of a cast. */
export type Moment = readonly [
  at_us: number,
  code: "o" | "r" | "m",
  data: string,
];

/** A few bytes may clear the screen a thousand times: nobody waits for more at once. */
const PIECE_BYTES = 2 * 1024;
/** So much of the end is drawn: of the file, and of what is in it. */
const TAIL_BYTES = 2 * 1024 * 1024;
const TAIL_RAW_BYTES = 8 * 1024 * 1024;
/** Of what is before that, so much is looked through. */
const SCANNED_BYTES = 1024 * 1024 * 1024;
/** To the alternate screen, and back. */
const ON = new TextEncoder().encode("\x1b[?1049h");
const OFF = new TextEncoder().encode("\x1b[?1049l");
const lastOf = (bytes: Uint8Array, sequence: Uint8Array): number =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).lastIndexOf(
    sequence,
  );

export class LiveScreen {
  readonly screen: Screen;
  private readonly parser: Parser;
  private readonly harmless = new Harmless();
  /** Where what has not been read begins. */
  private at: number;
  /** When the last record was that is shown. */
  at_us = 0;

  constructor(private readonly reader: RecordingReader) {
    this.screen = new Screen(reader.header);
    this.parser = new Parser(this.screen);
    this.at = reader.first;
  }

  /**
   * Shows what became whole since the last time, a little at each step. A block that is
   * not whole yet is read the next time.
   */
  *advance(): Generator<Moment> {
    if (this.at === this.reader.first) yield* this.skip();
    for (const { entries, end } of this.reader.chunks(this.at, this.at_us)) {
      for (const entry of entries) yield* this.show(entry);
      this.at = end;
    }
  }

  /**
   * Of what was shown long before the first look, no more is made than how large the
   * screen is, and which of the two: nobody waits for hours of output.
   */
  private *skip(): Generator<Moment> {
    const { reader } = this;
    const from = reader.tailFrom(TAIL_BYTES, TAIL_RAW_BYTES);
    let left = SCANNED_BYTES;
    let isAlternate = false;
    for (const { entries, at } of reader.chunks(this.at)) {
      if (at >= from || left < 0) break;
      for (const { at_us, kind, bytes } of entries) {
        this.at_us = at_us;
        left -= bytes.length;
        const size = kind === "r" ? sizeIn(bytes) : null;
        if (size) this.screen.resize(size);
        if (kind !== "o") continue;
        const [on, off] = [lastOf(bytes, ON), lastOf(bytes, OFF)];
        if (on !== off) isAlternate = on > off;
      }
      yield [this.at_us, "o", ""];
    }
    if (isAlternate) this.parser.write(ON);
    this.at = from;
  }

  private *show({ at_us, kind, bytes }: Entry): Generator<Moment> {
    this.at_us = this.screen.now_us = at_us;
    if (kind !== "o") {
      const size = kind === "r" ? sizeIn(bytes) : null;
      if (size) this.screen.resize(size);
      yield [at_us, ...eventOf({ at_us, kind, bytes }, this.harmless)];
      return;
    }
    for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
      const piece = bytes.subarray(from, from + PIECE_BYTES);
      this.parser.write(piece);
      yield [at_us, "o", this.harmless.write(piece)];
    }
  }
}
