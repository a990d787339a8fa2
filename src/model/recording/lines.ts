/**
 * What a terminal showed, as lines of text: rows as they left its screen, those that
 * were one line joined, and what stood there when it was cleared, when a program that
 * took the whole screen gave it back, and at the end. What was drawn over is gone.
 *
 * Redaction has rows of its own (rows.ts): it has to know which byte drew a letter, and
 * to see what was drawn over, too.
 */
import type { Damage, RecordingReader } from "./read.ts";
import { Playback, omittedIn } from "./playback.ts";

export interface Line {
  text: string;
  /** Microseconds since the recording began, of its last letter. */
  at_us: number;
}

/** @param damage is counted in it */
export function* linesOf(
  reader: RecordingReader,
  damage?: Damage,
): Generator<Line> {
  const playback = new Playback(reader, false);
  let told: Line[] = [];
  playback.screen.told = (text, at_us) =>
    told.push({ text: text.trimEnd(), at_us });
  for (let entry = playback.step(); entry; entry = playback.step()) {
    const { at_us, kind, bytes } = entry;
    if (kind === "x")
      told.push({ text: `[${omittedIn(bytes)} bytes are left out]`, at_us });
    yield* told;
    told = [];
  }
  playback.screen.end();
  yield* told;
  if (damage) Object.assign(damage, playback.damage);
}

/**
 * When a text was first to be seen, upper and lower case alike; within one write of the
 * program too, where it may have left the screen at once.
 * @returns null when it never was
 */
export function firstShown(
  reader: RecordingReader,
  text: string,
): number | null {
  const wanted = text.toLowerCase();
  const playback = new Playback(reader, false);
  const { screen } = playback;
  let found = false;
  screen.told = (line) => (found ||= line.toLowerCase().includes(wanted));
  for (let entry = playback.step(); entry; entry = playback.step()) {
    const { at_us } = entry;
    if (found || isShown(screen.rows, at_us, wanted)) return at_us;
  }
  return null;
}

function isShown(
  rows: Playback["screen"]["rows"],
  at_us: number,
  wanted: string,
): boolean {
  for (let i = 0; i < rows.length; i++) {
    if (rows[i]!.drawn_us !== at_us) continue;
    // It may stand in several rows that are one line.
    let from = i;
    while (from > 0 && rows[from - 1]!.wrapped) from--;
    let line = rows[from]!.text();
    for (let to = from; rows[to]!.wrapped && to + 1 < rows.length;)
      line += rows[++to]!.text();
    if (line.toLowerCase().includes(wanted)) return true;
  }
  return false;
}
