/** A recorded terminal as the server tells it: asciicast of version 3, a line an event. */

/** Seconds since the recording began; `o` output, `r` a size, `m` a marker; what of it. */
export type CastEvent = readonly [at_s: number, code: string, data: string];

export interface CastHead {
  columns: number;
  rows: number;
  /** Milliseconds since the epoch. */
  began_ms: number;
}

interface Header {
  version?: unknown;
  term?: { cols?: unknown; rows?: unknown };
  timestamp?: unknown;
}

/** Takes its text piece by piece, as it comes. */
export class CastReader {
  head: CastHead | null = null;
  private rest = "";
  private at_s = 0;

  /**
   * @param began_ms of the recording, where it is known better than the header has it
   * @returns the events that are whole by now
   * @throws Error when it is no cast
   */
  push(text: string, began_ms?: number): CastEvent[] {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop()!;
    const events: CastEvent[] = [];
    for (const line of lines) {
      if (line === "" || line.startsWith("#")) continue;
      if (this.head === null) this.head = headOf(line, began_ms);
      else events.push(this.eventOf(line));
    }
    return events;
  }

  private eventOf(line: string): CastEvent {
    const [since_s, code, data] = JSON.parse(line) as [number, string, unknown];
    this.at_s += since_s;
    return [this.at_s, code, String(data)];
  }
}

function headOf(line: string, began_ms?: number): CastHead {
  const { version, term, timestamp } = JSON.parse(line) as Header;
  if (version !== 3) throw new Error("what the server sent is no recording");
  return {
    columns: Number(term?.cols) || 80,
    rows: Number(term?.rows) || 24,
    began_ms: began_ms ?? Number(timestamp) * 1_000,
  };
}

const BEFORE_S = 0.001;

/** Plays waits that are longer than a limit as if they were as long. */
export class Pace {
  /** The end of each such wait as it was, and how much is cut by then. */
  private readonly cuts: { end_s: number; by_s: number; cut_s: number }[] = [];

  /** @param limit_s null: all waits are as they were */
  constructor(events: readonly CastEvent[], limit_s: number | null) {
    let [last_s, cut_s] = [0, 0];
    if (limit_s === null) return;
    for (const [at_s] of events) {
      const by_s = at_s - last_s - limit_s;
      if (by_s > 0)
        this.cuts.push({ end_s: at_s, by_s, cut_s: (cut_s += by_s) });
      last_s = at_s;
    }
  }

  /** When a moment of the recording is played. */
  played(at_s: number): number {
    const next = this.before((cut) => cut.end_s <= at_s);
    const cut_s = this.cuts[next - 1]?.cut_s ?? 0;
    const wait = this.cuts[next];
    const over_s = wait ? at_s - (wait.end_s - wait.by_s) : 0;
    // Within a wait it stands still, and what ends it has not come.
    return at_s - cut_s - (over_s > 0 ? over_s + BEFORE_S : 0);
  }

  /** Which moment of the recording is played then. */
  recorded(played_s: number): number {
    const next = this.before((cut) => cut.end_s - cut.cut_s <= played_s);
    return played_s + (this.cuts[next - 1]?.cut_s ?? 0);
  }

  /** How many of the cuts, which are in order, are so. */
  private before(is: (cut: Pace["cuts"][number]) => boolean): number {
    let [low, high] = [0, this.cuts.length];
    while (low < high) {
      const mid = (low + high) >> 1;
      if (is(this.cuts[mid]!)) low = mid + 1;
      else high = mid;
    }
    return low;
  }
}

/** Of the last words of a cast of which not all could be read. */
export const saysDamage = (label: string): boolean =>
  /^the recording is (?:damaged|cut off)\b/.test(label);

export function damageIn(events: readonly CastEvent[]): string | null {
  const [, code, label] = events.at(-1) ?? [0, "", ""];
  return code === "m" && saysDamage(label) ? label : null;
}
