/** What a recorded terminal showed, as lines of text: for whoever reads, or is read to. */
import { type Size } from "../../../model/recording/grid.ts";
import { Screen } from "../../../model/recording/screen.ts";
import { Parser } from "../../../model/recording/sequences.ts";
import type { CastEvent, CastHead } from "./cast.ts";

export interface TranscriptLine {
  at_s: number;
  text: string;
}

/** Of output, before others have their turn. */
const PIECE_EVENTS = 5_000;

export async function transcriptOf(
  head: CastHead,
  events: readonly CastEvent[],
): Promise<TranscriptLine[]> {
  const lines: TranscriptLine[] = [];
  const screen = new Screen(head);
  const parser = new Parser(screen);
  const encoder = new TextEncoder();
  screen.told = (text, drawn_us) =>
    lines.push({ at_s: drawn_us / 1e6, text: text.trimEnd() });
  for (const [n, [at_s, code, data]] of events.entries()) {
    screen.now_us = at_s * 1e6;
    if (code === "o") parser.write(encoder.encode(data));
    else if (code === "r") screen.resize(sizeOf(data));
    if (n % PIECE_EVENTS === PIECE_EVENTS - 1)
      await new Promise((resolve) => setTimeout(resolve));
  }
  screen.end();
  return lines;
}

function sizeOf(data: string): Size {
  const [columns, rows] = data.split("x").map(Number);
  return { columns: columns || 80, rows: rows || 24 };
}
