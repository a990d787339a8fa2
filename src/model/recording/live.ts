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
    for (const { entries, end } of this.reader.chunks(this.at, this.at_us)) {
      for (const entry of entries) yield* this.show(entry);
      this.at = end;
    }
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
