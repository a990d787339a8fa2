/**
 * What cannot be read is kept: a line goes, byte for byte, beside the spool
 * with the reason. The name says where it stood, so that doing it twice, after
 * a crash in between, keeps it once.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename } from "node:path";
import type { Event } from "../model/event.ts";
import type { BadLine } from "./read.ts";

export interface Quarantined {
  /** Where the line is kept now. */
  path: string;
  reason: string;
}

/** One that could not be read, and where it stood. */
export type QuarantinedLine = Quarantined & BadLine;

/** How the files of events end that a store has rejected. */
export const REJECTED = ".rejected";

/** Events that a store has rejected: they are not brought to it again. */
export class Rejections {
  /** Their ids; looked up when the first event is asked for. */
  private known: Set<string> | null = null;

  /** @param folder this machine's spool folder */
  constructor(private readonly folder: string) {}

  has({ event_id }: Event): boolean {
    this.known ??= rejectedEvents(this.folder);
    return this.known.has(event_id);
  }

  /**
   * Keeps those of some events that a store rejects.
   * @param reasons event_id → what it says against it
   */
  keep(
    events: readonly Event[],
    reasons: ReadonlyMap<string, string>,
  ): Quarantined[] {
    const kept: Quarantined[] = [];
    for (const event of events) {
      const reason = reasons.get(event.event_id);
      if (reason === undefined || this.has(event)) continue;
      kept.push(quarantineRejected(this.folder, event, reason));
      this.known?.add(event.event_id);
    }
    return kept;
  }
}

function rejectedEvents(folder: string): Set<string> {
  const names = existsSync(`${folder}/quarantine`)
    ? readdirSync(`${folder}/quarantine`)
    : [];
  return new Set(
    names
      .filter((name) => name.endsWith(REJECTED))
      .map((name) => name.slice(0, -REJECTED.length).split(".").at(-1)!),
  );
}

/** How many events stores have rejected, that wait to be brought once more. */
export const rejectedCount = (folder: string): number =>
  rejectedEvents(folder).size;

/** With what the store says against it. */
function quarantineRejected(
  folder: string,
  event: Event,
  reason: string,
): Quarantined {
  const name = `${event.session_id}.${event.event_id}${REJECTED}`;
  const path = keep(folder, name, (out) => {
    writeAll(out, Buffer.from(JSON.stringify(event)));
    writeAll(out, Buffer.from(`\n# rejected: ${oneLine(reason)}\n`));
  });
  return { path, reason };
}

/** A server's words; they stand in a file by lines, and are nobody's to believe. */
const oneLine = (text: string): string =>
  JSON.stringify(text.slice(0, MOST_REASON)).slice(1, -1);
const MOST_REASON = 1_000;

/**
 * Keeps one line of an open spool file.
 * @param file the spool file's name
 * @returns null when it is kept already
 */
export function quarantine(
  folder: string,
  file: string,
  fd: number,
  line: BadLine,
): QuarantinedLine | null {
  const name = `${file}.${line.offset}`;
  if (existsSync(`${folder}/quarantine/${name}`)) return null;
  const why = `\n# ${file} at byte ${line.offset}: ${line.reason}\n`;
  const path = keep(folder, name, (out) => {
    copy(fd, line, out);
    writeAll(out, Buffer.from(why));
  });
  return { ...line, path };
}

/** A line that is longer is not copied: its file is kept whole. */
export const MOST_COPIED_BYTES = 16 * 1024 * 1024;

/**
 * Keeps a spool file as it is, in the place of a copy of what cannot be read.
 * @param name below the folder
 * @returns where it is now
 */
export function quarantineWhole(folder: string, name: string): string {
  const kept = `${folder}/quarantine`;
  mkdirSync(kept, { recursive: true, mode: 0o700 });
  const path = `${kept}/${basename(name)}.whole`;
  const as = existsSync(path) ? `${path}.${Bun.randomUUIDv7()}` : path;
  renameSync(`${folder}/${name}`, as);
  return as;
}

/** Makes a file that is whole or not there, and on the disk. */
function keep(
  folder: string,
  name: string,
  write: (out: number) => void,
): string {
  const kept = `${folder}/quarantine`;
  mkdirSync(kept, { recursive: true, mode: 0o700 });
  const path = `${kept}/${name}`;
  rmSync(`${path}.new`, { force: true });
  const out = openSync(`${path}.new`, "wx", 0o600);
  try {
    write(out);
    fsyncSync(out);
  } finally {
    closeSync(out);
  }
  renameSync(`${path}.new`, path);
  return path;
}

function copy(from: number, { offset, length }: BadLine, to: number): void {
  const chunk = new Uint8Array(Math.min(length, 1 << 20));
  for (let at = 0; at < length;) {
    const want = Math.min(chunk.length, length - at);
    const got = readSync(from, chunk, 0, want, offset + at);
    if (got === 0) return;
    writeAll(to, chunk.subarray(0, got));
    at += got;
  }
}

function writeAll(to: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(to, bytes, at);
}
