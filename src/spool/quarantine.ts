/**
 * The quarantine: a line that cannot be read, or an event that the store rejects,
 * is kept in a file of its own with the reason. The file is named after the line's
 * place, so that a line is kept once, however often it is read.
 */
import {
  existsSync,
  mkdirSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename } from "node:path";
import type { Event } from "../model/event.ts";
import { listFolder } from "./folder.ts";
import type { BadLine } from "./read.ts";

export interface Quarantined {
  /** Where the line is kept now. */
  path: string;
  reason: string;
}

/** A line that cannot be read, and its place. */
export type QuarantinedLine = Quarantined & BadLine;

/** The suffix of files with an event that the store rejects. */
export const REJECTED = ".rejected";

/** The events that the store rejects; they are not sent again. */
export class Rejections {
  /** Their ids; read when the first is asked for. */
  private known: Set<string> | null = null;

  /** @param folder this machine's spool folder */
  constructor(private readonly folder: string) {}

  has({ event_id }: Event): boolean {
    this.known ??= rejectedEvents(this.folder);
    return this.known.has(event_id);
  }

  /**
   * Keeps the events that the store rejects.
   * @param reasons event_id → why
   */
  keep(
    events: readonly Event[],
    reasons: ReadonlyMap<string, string>,
  ): Quarantined[] {
    const kept: Quarantined[] = [];
    for (const event of events) {
      const reason = reasons.get(event.event_id);
      if (reason === undefined || this.has(event)) continue;
      const name = `${event.session_id}.${event.event_id}${REJECTED}`;
      const text = `${JSON.stringify(event)}\n# rejected: ${oneLine(reason)}\n`;
      kept.push({ path: keep(this.folder, name, Buffer.from(text)), reason });
      this.known?.add(event.event_id);
    }
    return kept;
  }
}

function rejectedEvents(folder: string): Set<string> {
  return new Set(
    listFolder(`${folder}/quarantine`)
      .filter((name) => name.endsWith(REJECTED))
      .map((name) => name.slice(0, -REJECTED.length).split(".").at(-1)!),
  );
}

/** How many rejected events wait to be sent again. */
export const rejectedCount = (folder: string): number =>
  rejectedEvents(folder).size;

/** A server's words, which may be anything, on one line. */
const oneLine = (text: string): string =>
  JSON.stringify(text.slice(0, MOST_REASON)).slice(1, -1);
const MOST_REASON = 1_000;

/**
 * Keeps one line of an open spool file.
 * @param file the name of the spool file
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
  const path = keep(folder, name, lineIn(fd, line), Buffer.from(why));
  return { ...line, path };
}

/** The whole file of a longer line is kept instead. */
export const MOST_COPIED_BYTES = 16 * 1024 * 1024;

/**
 * Moves a whole spool file to the quarantine.
 * @param name below the folder
 * @returns its new path
 */
export function quarantineWhole(folder: string, name: string): string {
  const path = `${quarantineIn(folder)}/${basename(name)}.whole`;
  const as = existsSync(path) ? `${path}.${Bun.randomUUIDv7()}` : path;
  renameSync(`${folder}/${name}`, as);
  return as;
}

/** Makes a file that is whole or not there, and on the disk. */
function keep(folder: string, name: string, ...parts: Uint8Array[]): string {
  const path = `${quarantineIn(folder)}/${name}`;
  const options = { flag: "wx", mode: 0o600, flush: true } as const;
  rmSync(`${path}.new`, { force: true });
  writeFileSync(`${path}.new`, Buffer.concat(parts), options);
  renameSync(`${path}.new`, path);
  return path;
}

/** The quarantine folder, made when it is not there. */
function quarantineIn(folder: string): string {
  const path = `${folder}/quarantine`;
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

function lineIn(fd: number, { offset, length }: BadLine): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const got = readSync(fd, bytes, at, length - at, offset + at);
    if (got === 0) return bytes.subarray(0, at);
    at += got;
  }
  return bytes;
}
