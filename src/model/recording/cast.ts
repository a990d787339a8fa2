/**
 * A recording as asciicast: version 3 for asciinema 3 and its player, version 2 for
 * older ones. What reaches beyond the screen is left out (harmless.ts); a byte that is
 * no UTF-8 is U+FFFD, for the format is JSON.
 */
import { plainJson } from "../json.ts";
import type { Entry } from "./format.ts";
import { Harmless } from "./harmless.ts";
import { omittedIn, sizeIn } from "./playback.ts";
import type { Damage, RecordingReader } from "./read.ts";

/** A command that began, say. */
export interface Marker {
  at_us: number;
  label: string;
}

type Code = "o" | "r" | "m";

/** @param markers in the order of their times */
export function* castLines(
  reader: RecordingReader,
  version: 2 | 3,
  markers: readonly Marker[],
  damage?: Damage,
): Generator<string> {
  yield `${plainJson(headerOf(reader, version))}\n`;
  let last_us = 0;
  const event = (at_us: number, code: Code, data: string) => {
    const from_us = version === 3 ? last_us : 0;
    // Times that are rounded shall not add up to others.
    const since_us = Math.max(0, Math.round(at_us) - from_us);
    last_us = from_us + since_us;
    return `${plainJson([since_us / 1e6, code, data])}\n`;
  };
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
        yield event(Math.max(at_us, now_us), "m", label);
      }
      now_us = entry.at_us;
      const [code, data] = eventOf(entry, harmless);
      if (data !== "") yield event(now_us, code, data);
    }
  for (const { at_us, label } of markers.slice(next))
    yield event((now_us = Math.max(at_us, now_us)), "m", label);
  yield event(now_us, "o", harmless.end());
}

function headerOf({ header }: RecordingReader, version: 2 | 3): object {
  const { columns, rows, term, started_at } = header;
  const timestamp = Math.floor(Date.parse(started_at) / 1_000);
  if (version === 3) {
    const type = term === "" ? {} : { type: term };
    return { version, term: { cols: columns, rows, ...type }, timestamp };
  }
  const env = term === "" ? {} : { env: { TERM: term } };
  return { version, width: columns, height: rows, timestamp, ...env };
}

function eventOf({ kind, bytes }: Entry, harmless: Harmless): [Code, string] {
  if (kind === "o") return ["o", harmless.write(bytes)];
  if (kind === "x") return ["m", `${omittedIn(bytes)} bytes are left out`];
  const size = sizeIn(bytes);
  return ["r", size ? `${size.columns}x${size.rows}` : ""];
}
