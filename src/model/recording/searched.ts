/**
 * The lines of a recording that a search looks through: those that its text has
 * (lines.ts), and of a program that takes the whole screen also what stood there for
 * a second, for that could be read. How many there are is bounded, whoever made it.
 */
import { Playback } from "./playback.ts";
import type { RecordingReader } from "./read.ts";

export interface SearchedLine {
  text: string;
  /** Milliseconds since the recording began, of its last letter. */
  at_ms: number;
}

/** A recording as it was looked at. */
export interface SearchedRecording {
  session_id: string;
  /** UTC, ISO 8601. */
  began: string;
  bytes: number;
  /** Of the file: another one whenever its content or attributes are. */
  changed: string;
  /** Of the file; null while it is not all looked through. */
  sha256: string | null;
  lines: number;
  /** Of all lines, in UTF-8. */
  text_bytes: number;
  /** Why not all of it, or nothing, is found; null: nothing is left out. */
  left_out: string | null;
  /** Work within which it was not all read: who has more reads it anew; else null. */
  within_ms: number | null;
  done: boolean;
  /** Of LINES_VERSION. */
  version: number;
}

/**
 * What terminals showed, line by line, for searches. Whoever removes the lines of a
 * session removes what is known of its recording too, and what is under way for it
 * ends.
 */
export interface OutputLines {
  /** What is known of each recording. */
  recordings(): Promise<SearchedRecording[]>;
  /** Of some sessions those that have ended, with their start. */
  ended(session_ids: readonly string[]): Promise<Map<string, string>>;
  /**
   * Begins with a recording, or goes on with what a process that ended has left.
   * @returns how many of its lines are there already; null: of its session nothing is
   *   there, or it goes on
   */
  begin(recording: SearchedRecording, goes_on: boolean): Promise<number | null>;
  /**
   * Adds lines of a recording; those that were shown before their texts were removed
   * are left out.
   * @param first the number of the first of them
   * @param began_ms when the recording did, since the epoch
   * @returns false when its lines were removed meanwhile: no more may come
   */
  add(
    session_id: string,
    first: number,
    began_ms: number,
    lines: readonly SearchedLine[],
  ): Promise<boolean>;
  /**
   * Says what there is of a recording, instead of what was said.
   * @returns false when its lines were removed meanwhile
   */
  finish(recording: SearchedRecording): Promise<boolean>;
  /** As `finish`, of a file that has the same content as before. */
  touched(recording: SearchedRecording): Promise<void>;
  /** Of recordings that are no more. */
  remove(session_ids: readonly string[]): Promise<void>;
  /** @throws Failure (storage) when there is no room for the lines of another */
  requireRoom(): void;
}

/** The same bytes make the same lines; where they make others from now on, it grows. */
export const LINES_VERSION = 1;

export const MOST_LINES = 200_000;
/** Of a line, in UTF-8. */
export const MOST_LINE_BYTES = 4_096;
/** Of all lines of a recording. */
export const MOST_TEXT_BYTES = 64 * 1024 * 1024;
/** Of output; 64 MiB of a file may say that they are a terabyte. */
export const MOST_OUTPUT_BYTES = 1024 * 1024 * 1024;
/** A program that draws numbers for days takes nobody else's room. */
const MOST_STILL_LINES = 20_000;
const STILL_US = 1_000_000;
/** More than a kill costs is no kill's. */
const MOST_TORN_BYTES = 128 * 1024;

/** What is not among the lines. */
export interface NotFound {
  damaged_bytes: number;
  /** What is past a bound. */
  cut: boolean;
}

/**
 * Piece by piece, so that whoever goes through them can do something else in between.
 * @param not hears what is not in them
 */
export function* searchedLines(
  reader: RecordingReader,
  not: NotFound,
  most_lines = MOST_LINES,
): Generator<readonly SearchedLine[], void> {
  const playback = new Playback(reader, false);
  const { screen } = playback;
  let told: SearchedLine[] = [];
  let bytes = 0;
  let lines_left = most_lines;
  let text_left = MOST_TEXT_BYTES;
  let stills_left = MOST_STILL_LINES;
  /** What the last still had: of the next, what is new is told. */
  let before = new Set<string>();
  screen.told = (text, drawn_us) => add(told, text, drawn_us);
  const takeStill = () => {
    const still: SearchedLine[] = [];
    screen.told = (text, drawn_us) => add(still, text, drawn_us);
    screen.tellAll(screen.rows);
    screen.told = (text, drawn_us) => add(told, text, drawn_us);
    const fresh = still.filter(({ text }) => !before.has(text));
    // What stands there unchanged is not told, and is there all the same.
    const stands = screen.rows.map((row) => row.text().trimEnd());
    before = new Set([...stands, ...still.map(({ text }) => text)]);
    const few = fresh.slice(0, stills_left);
    stills_left -= few.length;
    told.push(...few);
  };
  const kept = (lines: readonly SearchedLine[]) => {
    const past = lines.findIndex(({ text }) => {
      text_left -= Buffer.byteLength(text);
      return --lines_left < 0 || text_left < 0;
    });
    if (past >= 0) not.cut = true;
    return past >= 0 ? lines.slice(0, past) : lines;
  };
  for (let next = playback.peek(); next; next = playback.peek()) {
    const paused = next.at_us - playback.at_us >= STILL_US;
    if (paused && screen.isAlternate && stills_left > 0) takeStill();
    const { length } = next.bytes;
    playback.step();
    // An entry that is shown in pieces counts once.
    if (playback.peek() !== next) bytes += length;
    yield kept(told);
    told = [];
    not.cut ||= bytes > MOST_OUTPUT_BYTES;
    if (not.cut) return;
  }
  screen.end();
  yield kept(told);
  const { damaged_bytes, torn_bytes } = playback.damage;
  const torn = torn_bytes > MOST_TORN_BYTES ? torn_bytes : 0;
  not.damaged_bytes = damaged_bytes + torn;
}

function add(to: SearchedLine[], given: string, drawn_us: number): void {
  const text = cut(given).trimEnd();
  if (text === "") return;
  to.push({ text, at_ms: Math.floor(drawn_us / 1_000) });
}

const encoder = new TextEncoder();
const room = new Uint8Array(MOST_LINE_BYTES);

/** Between two characters. */
function cut(text: string): string {
  // A unit of UTF-16 takes three bytes at most.
  if (text.length * 3 <= MOST_LINE_BYTES) return text;
  return text.slice(0, encoder.encodeInto(text, room).read);
}

/** A clock may have been set meanwhile; more is somebody's invention. */
const MOST_APART_MS = 24 * 3_600_000;

/** When a recording began, since the epoch: what it says, if its session was then. */
export function beganAt(said: string, session_start: string): number {
  const [recording, session] = [Date.parse(said), Date.parse(session_start)];
  return Math.abs(recording - session) <= MOST_APART_MS ? recording : session;
}
