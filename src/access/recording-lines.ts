/**
 * Brings the lines of one recording into the database: without what the rules of
 * redaction find, slice by slice, and from where it was left.
 */
import { createHash } from "node:crypto";
import { Failure } from "../model/failure.ts";
import {
  LINES_VERSION,
  type NotFound,
  type OutputLines,
  type SearchedLine,
  type SearchedRecording,
  beganAt,
  searchedLines,
} from "../model/recording/searched.ts";
import type { Choice } from "../model/redaction/custom.ts";
import { redact } from "../model/redaction/redact.ts";
import { isSuspect } from "../model/redaction/suspect.ts";
import { workedMs } from "../model/worked.ts";
import { statFile } from "../os/stat.ts";
import { OpenRecording } from "./recordings.ts";

/** What one statement adds. */
const BATCH_LINES = 4_096;
const BATCH_CHARS = 512 * 1024;
const HASHED_BYTES = 256 * 1024;
/** Work between two looks whether it goes on. */
const SLICE_MS = 4;

export interface Searching {
  data: string;
  lines: OutputLines;
  /** Meets what other hosts recorded, and what was by older rules; null: all waits. */
  redaction: Choice | null;
  /** Is told once of each recording what of it cannot be found, and why. */
  leftOut(path: string, why: string): void;
  /**
   * Work on one of them: what is past it is left out. What somebody made to be slow
   * keeps nobody else's waiting.
   */
  within_ms: number;
  /** Asked before each. @returns false: it is for the next time */
  begins(bytes: number): boolean;
  /** Asked between two slices of work. @returns false: the rest is for the next time */
  goesOn(): boolean | Promise<boolean>;
}

/** A file as it is now; see FileStat. */
export type Stat = Pick<SearchedRecording, "bytes" | "changed">;

/** Whether it is known of this file, as it is now. */
export const isOf = (known: SearchedRecording, { bytes, changed }: Stat) =>
  known.bytes === bytes &&
  known.changed === changed &&
  known.version === LINES_VERSION;

interface Given {
  session_id: string;
  /** Of its session. */
  start: string;
  stat: Stat;
  path: string;
  known: SearchedRecording | undefined;
}

/** One recording. */
export class Reading {
  private slice_began = workMark();
  private work_ms = 0;
  private batch: SearchedLine[] = [];
  private chars = 0;
  private lines = 0;
  private text_bytes = 0;
  private began_ms: number;
  /** Of the work that it may take, too little. */
  private late = false;

  constructor(
    private readonly searching: Searching,
    private readonly redaction: Choice,
    private readonly given: Given,
  ) {
    this.began_ms = Date.parse(given.start);
  }

  /** @returns false when it is left for the next time */
  async run(): Promise<boolean> {
    const { stat, known } = this.given;
    const { lines } = this.searching;
    const recording = this.open();
    if (typeof recording === "string") {
      const begun = await lines.begin(this.facts({}), false);
      return begun !== null && this.end(recording, null);
    }
    using _open = recording;
    const sha256 = await this.digestOf(recording);
    if (sha256 === null) return false;
    const { version } = known ?? {};
    // Touched, or copied to and fro.
    const isKnown = known?.sha256 === sha256 && version === LINES_VERSION;
    if (isKnown && known.within_ms === null) {
      const { bytes, changed } = stat;
      await lines.touched({ ...known, bytes, changed });
      return true;
    }
    const goes_on = known?.done === false && isOf(known, stat);
    const stored = await lines.begin(this.facts({}), goes_on);
    if (stored === null) return false;
    const left_out = await this.read(recording, stored);
    return left_out !== undefined && this.end(left_out, sha256);
  }

  /** @returns why it is none of ours, or cannot be read */
  private open(): OpenRecording | string {
    const { path, session_id, start } = this.given;
    try {
      const recording = OpenRecording.open(path, true);
      const { header } = recording.reader;
      this.began_ms = beganAt(header.started_at, start);
      if (header.session_id === session_id) return recording;
      recording[Symbol.dispose]();
      return `'${path}' says that it is of session '${header.session_id}'`;
    } catch (error) {
      if (error instanceof Failure) return error.sentence;
      throw error;
    }
  }

  /** @returns null: for the next time */
  private async digestOf(recording: OpenRecording): Promise<string | null> {
    const hash = createHash("sha256");
    const { source } = recording;
    for (let at = 0; at < source.size; at += HASHED_BYTES) {
      hash.update(source.read(at, HASHED_BYTES));
      if (this.isDue && !(await this.goesOn())) return null;
    }
    return hash.digest("hex");
  }

  /**
   * @param stored how many of its lines are there already
   * @returns what is left out; undefined: the rest is for the next time
   */
  private async read(
    recording: OpenRecording,
    stored: number,
  ): Promise<string | null | undefined> {
    const not: NotFound = { damaged_bytes: 0, cut: false };
    const pieces = searchedLines(recording.reader, not);
    for (;;) {
      const piece = nextOf(pieces);
      const isOver = piece === null || typeof piece === "string";
      for (const line of isOver ? [] : piece) {
        this.text_bytes += Buffer.byteLength(line.text);
        if (++this.lines > stored) this.add(line);
        // One that a secret may be in takes milliseconds.
        if (this.isDue && !(await this.goesOn())) return this.leave();
      }
      const isFull =
        this.batch.length >= BATCH_LINES || this.chars >= BATCH_CHARS;
      if ((isFull || isOver) && !(await this.write())) return undefined;
      if (typeof piece === "string") return piece;
      if (isOver) break;
      if (this.isDue && !(await this.goesOn())) return this.leave();
      this.late = this.work_ms > this.searching.within_ms;
      if (this.late) pieces.return(undefined);
    }
    if (not.cut || this.late)
      return `only its first ${this.lines} lines are searched`;
    return not.damaged_bytes === 0
      ? null
      : `${not.damaged_bytes} bytes of it are damaged`;
  }

  /** What is read stays read. */
  private async leave(): Promise<undefined> {
    await this.write();
  }

  private add({ text, at_ms }: SearchedLine): void {
    const { redaction } = this;
    const clean = isSuspect(text, redaction.patterns)
      ? redact(text, redaction).text || "[withheld]"
      : text;
    this.batch.push({ text: clean, at_ms });
    this.chars += clean.length;
  }

  /** @returns false when nobody wants its lines any more */
  private async write(): Promise<boolean> {
    const { batch, given, began_ms } = this;
    if (batch.length === 0) return true;
    this.batch = [];
    this.chars = 0;
    const first = this.lines - batch.length + 1;
    const { lines } = this.searching;
    this.countWork();
    const isWanted = await lines.add(given.session_id, first, began_ms, batch);
    this.slice_began = workMark();
    return isWanted;
  }

  private get isDue(): boolean {
    return performance.now() - this.slice_began.at_ms >= SLICE_MS;
  }

  private async goesOn(): Promise<boolean> {
    this.countWork();
    const goes_on = await this.searching.goesOn();
    this.slice_began = workMark();
    return goes_on;
  }

  private countWork(): void {
    const { worked_ms, at_ms } = workMark();
    const { slice_began } = this;
    // Other threads work meanwhile, and processors have others to serve.
    this.work_ms += Math.min(
      worked_ms - slice_began.worked_ms,
      at_ms - slice_began.at_ms,
    );
  }

  /** @returns false when the file has changed meanwhile */
  private async end(
    left_out: string | null,
    sha256: string | null,
  ): Promise<boolean> {
    const { path, stat } = this.given;
    const now = statFile(path, { follow: false });
    if (now?.changed !== stat.changed || now.bytes !== stat.bytes) return false;
    const { searching, lines, text_bytes } = this;
    const within_ms = this.late ? searching.within_ms : null;
    const said = { left_out, within_ms, sha256, done: true };
    if (
      !(await searching.lines.finish(
        this.facts({ ...said, lines, text_bytes }),
      ))
    )
      return false;
    if (left_out !== null) searching.leftOut(path, left_out);
    return true;
  }

  private facts(more: Partial<SearchedRecording>): SearchedRecording {
    const { session_id, stat } = this.given;
    const { bytes, changed } = stat;
    return {
      ...{ session_id, began: new Date(this.began_ms).toISOString() },
      ...{ bytes, changed, sha256: null, lines: 0, text_bytes: 0 },
      ...{
        left_out: null,
        within_ms: null,
        done: false,
        version: LINES_VERSION,
        ...more,
      },
    };
  }
}

const workMark = () => ({ worked_ms: workedMs(), at_ms: performance.now() });

/** @returns null at the end, and why the file cannot be read */
function nextOf(
  pieces: ReturnType<typeof searchedLines>,
): readonly SearchedLine[] | string | null {
  try {
    const { done, value } = pieces.next();
    return done ? null : value;
  } catch (error) {
    if (error instanceof Failure) return error.sentence;
    throw error;
  }
}
