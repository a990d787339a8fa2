/**
 * An export: a folder with all events, in parts, and a manifest that says what the parts
 * hold. Parts are only ever added.
 */
import type { StoredEvent } from "./stored-event.ts";

export const MANIFEST_FILE = "manifest.json";
export const EXPORT_FORMATS = ["ndjson", "parquet"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface Part {
  /** `events-000001.ndjson`. */
  file: string;
  events: number;
  first_seq: number;
  last_seq: number;
  /** The id of the event with that number. */
  last_event_id: string;
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

export interface Manifest {
  kind: "session-buddy export";
  version: 1;
  format: ExportFormat;
  parts: Part[];
}

export const KIND: Manifest["kind"] = "session-buddy export";

/** An event as it is brought into another database. */
export type Brought = Pick<StoredEvent, "event" | "provenance">;

export interface Imported {
  stored: number;
  /** They were there already. */
  duplicates: number;
  /** Of sessions that this host's spool has files of: it brings them itself. */
  spooled: number;
  rejected: number;
  /** Why the first one was rejected, with its session. */
  reason: string | null;
}

export const NOTHING_IMPORTED: Imported = {
  ...{ stored: 0, duplicates: 0, spooled: 0, rejected: 0, reason: null },
};

export const partName = (number: number, format: ExportFormat): string =>
  `events-${String(number).padStart(6, "0")}.${format}`;

/**
 * @returns what a manifest says
 * @throws Error with the reason, in a few words
 */
export function parseManifest(text: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch {
    throw new Error("it is no JSON");
  }
  if (manifest?.kind !== KIND) throw new Error("it is none of session-buddy");
  if (manifest.version !== 1)
    throw new Error(`its version is ${String(manifest.version)}, known is 1`);
  const { format, parts } = manifest;
  if (!EXPORT_FORMATS.includes(format))
    throw new Error("its format is unknown");
  if (!Array.isArray(parts)) throw new Error("it has no parts");
  let seq = -1;
  for (const [i, part] of parts.entries()) {
    const wrong = (why: string) => new Error(`part ${i + 1}: ${why}`);
    if (part?.file !== partName(i + 1, format))
      throw wrong(`its file is not ${partName(i + 1, format)}`);
    const { events, first_seq, last_seq, bytes } = part;
    for (const count of [events, first_seq, last_seq, bytes])
      if (!Number.isSafeInteger(count) || count < 0)
        throw wrong("a number is none");
    if (first_seq <= seq || last_seq < first_seq)
      throw wrong("it is not after the one before");
    if (typeof part.last_event_id !== "string") throw wrong("no last event");
    if (!/^[0-9a-f]{64}$/.test(part.sha256)) throw wrong("its sum is none");
    seq = last_seq;
  }
  return manifest;
}

/** Of a recorded terminal: asciicast version 3 and 2, and text. */
export const RECORDING_FORMATS = ["cast", "cast2", "txt"] as const;
export type RecordingFormat = (typeof RECORDING_FORMATS)[number];
