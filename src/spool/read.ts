/**
 * Reads the lines of a spool file, with bounded memory. What follows the last
 * newline is a line that is being written, or torn.
 */
import { fstatSync, readSync } from "node:fs";
import { type Event, MAX_EVENT_BYTES } from "../model/event.ts";
import { reasonOf } from "../model/failure.ts";
import { parseEventLine } from "../model/schema.ts";

const CHUNK_BYTES = 1 << 20;
const NEWLINE = 10;

/** A line that is no event: its place, and why. */
export interface BadLine {
  offset: number;
  length: number;
  reason: string;
}

export type Line =
  | { kind: "event"; event: Event }
  | { kind: "bad"; line: BadLine }
  /** There are bytes after the last newline. */
  | { kind: "tail" }
  /** Within a line that is too long: the event loop may go on. */
  | { kind: "pause" };

/** What the lines of a file are. */
export interface LineForm {
  /** Of one line, without its newline. */
  max_bytes: number;
  /**
   * @param offset where the line stands in the file
   * @returns null of a line that is no event, and right
   * @throws Error with the reason, in a few words
   */
  parse(line: Uint8Array, offset: number): Event | null;
}

export const EVENT_LINES: LineForm = {
  max_bytes: MAX_EVENT_BYTES,
  parse: parseEventLine,
};

export interface Position {
  /** Where the next line begins. */
  line: number;
  /** How far that line was read, if it is too long. */
  seen: number;
}

export const BEGINNING: Position = { line: 0, seen: 0 };

/**
 * The lines of an open file, up to its size when reading begins.
 * @param writer `gone`: what follows the last newline is a line too
 * @param from how far the file was read before
 * @param form what its lines are
 * @returns how far it is read now
 */
export function* readLines(
  fd: number,
  writer: "here" | "gone",
  from = BEGINNING,
  form = EVENT_LINES,
): Generator<Line, Position> {
  const { size } = fstatSync(fd);
  let line = new LineBuffer(form, from.line, from.seen - from.line);
  for (let at = Math.max(from.line, from.seen); at < size;) {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, size - at));
    const got = readSync(fd, chunk, 0, chunk.length, at);
    if (got === 0) break;
    let from = 0;
    for (;;) {
      const end = chunk.subarray(0, got).indexOf(NEWLINE, from);
      line.add(chunk.subarray(from, end === -1 ? got : end));
      if (end === -1) break;
      if (line.length > 0) yield* line.parse();
      from = end + 1;
      line = new LineBuffer(form, at + from);
    }
    at += got;
    if (line.tooLong) yield { kind: "pause" };
  }
  const { offset, length, tooLong } = line;
  const end = offset + length;
  if (length === 0) return { line: end, seen: end };
  if (writer === "gone") {
    yield* line.parse();
    return { line: end, seen: end };
  }
  yield { kind: "tail" };
  return { line: offset, seen: tooLong ? end : offset };
}

/** A line that is being read; it keeps no more bytes than a line may have. */
class LineBuffer {
  private readonly parts: Uint8Array[] = [];

  /** @param length what was read of it before, if it is too long */
  constructor(
    private readonly form: LineForm,
    readonly offset: number,
    public length = 0,
  ) {}

  get tooLong(): boolean {
    return this.length > this.form.max_bytes;
  }

  add(part: Uint8Array): void {
    this.length += part.length;
    if (!this.tooLong) this.parts.push(part);
  }

  /** One line; none where it says nothing by itself. */
  *parse(): Generator<Line, void> {
    const { max_bytes } = this.form;
    if (this.tooLong)
      return yield {
        kind: "bad",
        line: this.bad(`longer than ${max_bytes} bytes`),
      };
    try {
      const event = this.form.parse(Buffer.concat(this.parts), this.offset);
      if (event) yield { kind: "event", event };
    } catch (error) {
      yield { kind: "bad", line: this.bad(reasonOf(error)) };
    }
  }

  bad(reason: string): BadLine {
    return { offset: this.offset, length: this.length, reason };
  }
}
