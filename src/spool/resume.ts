/**
 * Where to begin in a long file of commands that this process has not read: near its
 * end, if the store has what stands there. Events of a file are stored in their order,
 * so it has all before that too: a store that went back in time went back as a whole.
 */
import { fstatSync, readSync } from "node:fs";
import type { Event } from "../model/event.ts";
import type { FileFacts } from "./file-facts.ts";
import type { DrainTarget } from "./report.ts";

/** What is shorter is read at once. */
const LONG_BYTES = 256 * 1024;
/** So much is read all the same: the starts in it may have no end yet. */
const TAIL_BYTES = 64 * 1024;
const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 10;
/** How the line of a command's end begins. */
const END = "e".charCodeAt(0);
const HEADER = new TextEncoder().encode("\nh\t");

/** Puts the facts of a file that is not read yet behind what is known to be stored. */
export async function skipStored(
  fd: number,
  facts: FileFacts,
  store: DrainTarget,
): Promise<void> {
  const { size } = fstatSync(fd);
  if (!facts.ofCommands || !store.events || size < LONG_BYTES) return;
  const end = endIn(fd, size - TAIL_BYTES);
  const header = end && headerBefore(fd, end.at);
  if (!header) return;
  const begun = parsed(facts, header) === null;
  const event = begun && parsed(facts, end);
  if (event && (await isStored(store, event)))
    facts.read_to = { line: end.at, seen: end.at };
  else facts.beginAnew();
}

interface PlacedLine {
  line: Uint8Array;
  /** Where it stands in the file. */
  at: number;
}

/** The first end of a command from there on: a start may be written twice. */
function endIn(fd: number, from: number): PlacedLine | null {
  const tail = bytesAt(fd, from, TAIL_BYTES);
  for (let at = tail.indexOf(NEWLINE) + 1; at > 0;) {
    const next = tail.indexOf(NEWLINE, at);
    if (next < 0) return null;
    if (tail[at] === END)
      return { line: tail.subarray(at, next), at: from + at };
    at = next + 1;
  }
  return null;
}

/** The last header of a shell before a place; null when none can be found. */
function headerBefore(fd: number, before: number): PlacedLine | null {
  for (let to = before; to > 0;) {
    const from = Math.max(0, to - CHUNK_BYTES);
    // A header may lie across two chunks.
    const chunk = bytesAt(
      fd,
      from,
      Math.min(to + HEADER.length, before) - from,
    );
    const found = Buffer.from(chunk).lastIndexOf(HEADER);
    if (found >= 0) return lineAt(fd, from + found + 1);
    to = from;
  }
  return lineAt(fd, 0);
}

const MAX_HEADER_BYTES = 4_096;

function lineAt(fd: number, at: number): PlacedLine | null {
  const bytes = bytesAt(fd, at, MAX_HEADER_BYTES);
  const end = bytes.indexOf(NEWLINE);
  return end < 0 ? null : { line: bytes.subarray(0, end), at };
}

function bytesAt(fd: number, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, at));
}

/** @returns undefined of a line that is none */
function parsed(
  { form }: FileFacts,
  { line, at }: PlacedLine,
): Event | null | undefined {
  try {
    return form.parse(line, at);
  } catch {
    // It is read with all the others, and told of then.
    return undefined;
  }
}

async function isStored(
  store: DrainTarget,
  { session_id, event_id, event_type, timestamp: after }: Event,
): Promise<boolean> {
  const before = new Date(Date.parse(after) + 1).toISOString();
  const filter = { session_id, kinds: [event_type], after, before };
  let found = false;
  // To its end: a query that is left halfway holds on to the database.
  for await (const { event } of store.events!(filter))
    found ||= event.event_id === event_id;
  return found;
}
