/**
 * A recording as asciicast: version 3 for asciinema 3 and its player, version 2 for
 * older ones. What reaches beyond the screen is left out (harmless.ts); a byte that is
 * no UTF-8 is U+FFFD, for the format is JSON.
 */
import { plainJson } from "../json.ts";
import type { Entry, RecordingHeader } from "./format.ts";
import { type Size, bounded } from "./grid.ts";
import { Harmless } from "./harmless.ts";
import { omittedIn, sizeIn } from "./playback.ts";
import type { Damage, RecordingReader } from "./read.ts";

/** A command that began, say. */
export interface Marker {
  at_us: number;
  label: string;
}

/** Output, a new size, a marker; the exit status, which ends it. */
export type Code = "o" | "r" | "m" | "x";

/** The lines of a cast, whose times count from the line before, or in version 2 from its start. */
export class CastLines {
  private last_us: number;

  /** @param from_us when it starts */
  constructor(
    private readonly version: 2 | 3,
    from_us = 0,
  ) {
    this.last_us = from_us;
  }

  event(at_us: number, code: Code, data: string): string {
    const from_us = this.version === 3 ? this.last_us : 0;
    // Times that are rounded shall not add up to others.
    const since_us = Math.max(0, Math.round(at_us) - from_us);
    this.last_us = from_us + since_us;
    return `${plainJson([since_us / 1e6, code, data])}\n`;
  }
}

/** @param markers in the order of their times */
export function* castLines(
  reader: RecordingReader,
  version: 2 | 3,
  markers: readonly Marker[],
  damage?: Damage,
): Generator<string> {
  yield castHeader(reader.header, version);
  const lines = new CastLines(version);
  const harmless = new Harmless();
  let next = 0;
  let now_us = 0;
  for (const { entries } of reader.chunks(reader.first, 0, damage))
    for (const entry of entries) {
      for (
        ;
        next < markers.length && markers[next]!.at_us <= entry.at_us;
        next++
      ) {
        const { at_us, label } = markers[next]!;
        yield lines.event(Math.max(at_us, now_us), "m", label);
      }
      now_us = entry.at_us;
      const [code, data] = eventOf(entry, harmless);
      if (data !== "") yield lines.event(now_us, code, data);
    }
  for (const { at_us, label } of markers.slice(next))
    yield lines.event((now_us = Math.max(at_us, now_us)), "m", label);
  yield lines.event(now_us, "o", harmless.end());
}

/** The first line. */
export function castHeader(
  { term, started_at, ...size }: RecordingHeader,
  version: 2 | 3,
): string {
  const { columns, rows } = bounded(size);
  const timestamp = Math.floor(Date.parse(started_at) / 1_000);
  if (version === 3) {
    const type = term === "" ? {} : { type: term };
    const facts = { cols: columns, rows, ...type };
    return `${plainJson({ version, term: facts, timestamp })}\n`;
  }
  const env = term === "" ? {} : { env: { TERM: term } };
  return `${plainJson({ version, width: columns, height: rows, timestamp, ...env })}\n`;
}

/** `COLUMNSxROWS`, no larger than any terminal is: a player makes room for it. */
export function sizeText(size: Size): string {
  const { columns, rows } = bounded(size);
  return `${columns}x${rows}`;
}

/** What a record is in a cast. */
export function eventOf(
  { kind, bytes }: Entry,
  harmless: Harmless,
): ["o" | "r" | "m", string] {
  if (kind === "o") return ["o", harmless.write(bytes)];
  if (kind === "x") return ["m", `${omittedIn(bytes)} bytes are left out`];
  const size = sizeIn(bytes);
  return ["r", size ? sizeText(size) : ""];
}
