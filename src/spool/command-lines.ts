/**
 * The lines that a hooked shell writes of its commands (`ID.<pid>.commands`), as
 * events. Tab separated, for JSON in a shell costs too much and needs UTF-8:
 *
 *     h 1 shell version pid ppid start_ticks time_us [depth] .
 *     s seq time_us cwd mark text .
 *     e seq time_us status pipe_status cwd [ms] .
 *
 * The mark `-` stands where a text was removed afterwards, with as many dashes as are
 * left of its room: `blanked`.
 * `\\`, `\n` and `\t` are escaped. A line without its final `.` is torn. An id is
 * made of what the line says, so that a line that is read again is the same event:
 * a shell that begins anew (`exec bash` keeps the pid) says so by another header.
 */
import {
  type CommandEnd,
  type CommandStart,
  EVENT_VERSION,
  type Event,
  MAX_EVENT_BYTES,
  MAX_TEXT_BYTES,
  boundText,
  jsonBytes,
} from "../model/event.ts";
import { namedUuid } from "../model/id.ts";
import type { LineForm } from "./read.ts";

/** More than any shell's history takes; the event keeps MAX_TEXT_BYTES of its text. */
const MAX_COMMAND_LINE_BYTES = 4 * 1024 * 1024;
/** Starts that wait for their ends: those of subshells never have one. */
const MAX_RUNNING = 1_024;
/** Characters of a text whose event is never too long, however they are escaped. */
const SURELY_FITS = 8_192;
const MAX_PID = 4_194_304;

const [TAB, LF, BACKSLASH, N, T] = [9, 10, 92, 110, 116];
const DASH = 45;
const PROTOCOL = "1";
const LONGEST_FIELD_SAID = 20;

const BLANK = "-";
const REMOVED = "removed";
const NOTHING = new Uint8Array();

/** What a header says of the lines after it. */
interface Shell {
  pid: number;
  /** Tells it from others of the same pid: when it began. */
  began: string;
  began_us: number | null;
  depth: number | null;
}

export class CommandLines implements LineForm {
  readonly max_bytes = MAX_COMMAND_LINE_BYTES;
  private shell: Shell;
  /** seq → when it started, of commands that have not ended. */
  private readonly running = new Map<number, number>();

  /** @param pid as the file's name has it: for lines whose header is lost */
  constructor(
    private readonly session_id: string,
    private readonly pid: number,
  ) {
    this.shell = { pid, began: "", began_us: null, depth: null };
  }

  /**
   * @param line without its newline
   * @param offset where it stands in the file
   * @returns null of a header, which is no event
   * @throws Error with the reason, in a few words
   */
  parse(line: Uint8Array, offset: number): Event | null {
    const fields = split(line);
    const kind = textOf(fields[0]!);
    try {
      if (fields.length < 2 || textOf(fields.at(-1)!) !== ".")
        throw new Error("torn: it has no final '.'");
      if (kind === "h") return this.header(fields);
      if (kind === "s") return this.start(fields);
      if (kind === "e") return this.end(fields);
      throw new Error(`'${said(fields[0]!)}' is no kind of line`);
    } catch (error) {
      // What follows is another shell's, of which no more is known.
      if (kind === "h") this.begin(this.pid, `@${offset}`, null, null);
      throw error;
    }
  }

  private begin(
    pid: number,
    began: string,
    began_us: number | null,
    depth: number | null,
  ): void {
    this.shell = { pid, began, began_us, depth };
    this.running.clear();
  }

  private header(fields: readonly Uint8Array[]): null {
    requireFields(fields, 9, 10);
    const protocol = textOf(fields[1]!);
    if (protocol !== PROTOCOL)
      throw new Error(`version '${said(fields[1]!)}' of the lines is unknown`);
    const pid = numberOf(fields[4]!, "pid", MAX_PID);
    const time_us = numberOf(fields[7]!, "time");
    const depth =
      fields.length > 9 ? numberOf(fields[8]!, "depth", MAX_PID) : null;
    this.begin(pid, String(time_us), time_us, depth);
    return null;
  }

  private start(fields: readonly Uint8Array[]): CommandStart {
    requireFields(fields, 7, 7);
    const [, seqField, timeField, cwd, markField, raw] = fields;
    const seq = numberOf(seqField!, "seq");
    const time_us = numberOf(timeField!, "time");
    const mark = markOf(textOf(markField!));
    this.running.delete(seq);
    this.running.set(seq, time_us);
    if (this.running.size > MAX_RUNNING)
      this.running.delete(this.running.keys().next().value!);
    const event: CommandStart = {
      ...this.base("command_start", seq, time_us),
      ...recordedText(mark === REMOVED ? NOTHING : unescape(raw!), mark),
      cwd: pathOf(cwd!),
      mark,
      depth: this.shell.depth,
    };
    return bounded(event);
  }

  private end(fields: readonly Uint8Array[]): CommandEnd {
    requireFields(fields, 7, 8);
    const [, seqField, timeField, status, statuses, cwd] = fields;
    const seq = numberOf(seqField!, "seq");
    const time_us = numberOf(timeField!, "time");
    const start_us = this.running.get(seq);
    this.running.delete(seq);
    const measured = fields.length > 7 ? textOf(fields[6]!) : "";
    return {
      ...this.base("command_end", seq, time_us),
      exit_code: status!.length > 0 ? numberOf(status!, "status", 255) : null,
      pipe_status: statusesOf(statuses!),
      cwd: pathOf(cwd!),
      duration_ms:
        measured !== ""
          ? durationOf(measured)
          : start_us === undefined
            ? null
            : // A clock that was set back meanwhile tells nothing.
              Math.max(0, time_us - start_us) / 1_000,
    };
  }

  private base<K extends "command_start" | "command_end">(
    event_type: K,
    seq: number,
    time_us: number,
  ) {
    const { session_id, shell } = this;
    const { pid, began, began_us } = shell;
    return {
      event_version: EVENT_VERSION,
      event_id: namedUuid(`${session_id} ${pid} ${began} ${seq} ${event_type}`),
      event_type,
      session_id,
      timestamp: new Date(Math.floor(time_us / 1_000)).toISOString(),
      seq,
      pid,
      ...(began_us !== null && { shell_started_us: began_us }),
    };
  }
}

/** What is kept of a command's text; nothing where the shell kept it to itself. */
function recordedText(
  bytes: Uint8Array,
  mark: string | null,
): Pick<CommandStart, "text" | "text_base64" | "truncated_bytes"> {
  if (bytes.length === 0) return { text: mark === null ? "" : null };
  const whole = utf8(bytes);
  if (whole !== null) {
    const { text, cut_bytes } = boundText(whole);
    return { text, ...(cut_bytes > 0 && { truncated_bytes: cut_bytes }) };
  }
  const kept = bytes.subarray(0, MAX_TEXT_BYTES);
  const cut_bytes = bytes.length - kept.length;
  return {
    text: boundText(lossy.decode(kept)).text,
    text_base64: kept.toBase64(),
    ...(cut_bytes > 0 && { truncated_bytes: cut_bytes }),
  };
}

/** What JSON escapes takes up to six times its room: of that less is kept. */
function bounded(event: CommandStart): CommandStart {
  const { text_base64: _base64, ...rest } = event;
  const whole = event.text ?? "";
  let kept = event;
  for (
    let max_bytes = MAX_TEXT_BYTES / 2;
    whole.length > SURELY_FITS && jsonBytes(kept) > MAX_EVENT_BYTES;
    max_bytes /= 2
  ) {
    const { text, cut_bytes } = boundText(whole, max_bytes);
    const truncated_bytes = (event.truncated_bytes ?? 0) + cut_bytes;
    kept = { ...rest, text, truncated_bytes };
  }
  return kept;
}

/** `private`, `withheld`, `removed`, or the names of the rules that redacted it. */
function markOf(mark: string): string | null {
  if (mark === BLANK) return REMOVED;
  if (mark === "" || mark === "private" || mark === "withheld")
    return mark || null;
  return `redacted:${mark.replaceAll(" ", ",")}`;
}

function split(line: Uint8Array): Uint8Array[] {
  const fields: Uint8Array[] = [];
  for (let from = 0; ;) {
    const tab = line.indexOf(TAB!, from);
    fields.push(line.subarray(from, tab < 0 ? line.length : tab));
    if (tab < 0) return fields;
    from = tab + 1;
  }
}

function requireFields(
  fields: readonly Uint8Array[],
  least: number,
  most: number,
): void {
  if (fields.length < least || fields.length > most)
    throw new Error(
      `${fields.length} fields, where '${said(fields[0]!)}' has ${least}`,
    );
}

function unescape(field: Uint8Array): Uint8Array {
  let at = field.indexOf(BACKSLASH!);
  if (at < 0) return field;
  const out = new Uint8Array(field.length);
  let length = 0;
  let from = 0;
  for (
    ;
    at >= 0 && at + 1 < field.length;
    at = field.indexOf(BACKSLASH!, from)
  ) {
    out.set(field.subarray(from, at), length);
    length += at - from;
    const next = field[at + 1]!;
    from = at + 2;
    if (next === N) out[length++] = LF!;
    else if (next === T) out[length++] = TAB!;
    else {
      // No escape of ours stays as it stands.
      if (next !== BACKSLASH) out[length++] = BACKSLASH!;
      out[length++] = next;
    }
  }
  out.set(field.subarray(from), length);
  return out.subarray(0, length + field.length - from);
}

/**
 * The line of a command's start without its text, as long as it was.
 * @param line as it was parsed
 * @returns null when it has no text
 */
export function blanked(line: Uint8Array): Uint8Array | null {
  const fields = split(line);
  const [, , , , mark, text] = fields;
  if (textOf(fields[0]!) !== "s" || text!.length === 0) return null;
  const from = mark!.byteOffset - line.byteOffset;
  const to = text!.byteOffset - line.byteOffset + text!.length;
  const blank = new Uint8Array(line).fill(DASH, from, to);
  blank[from + 1] = TAB!;
  return blank;
}

/**
 * A line that cannot be read without what may be of a text in it, as long as it was.
 * @param seq of the command whose text it is; null of any
 * @returns null when it holds nothing of that
 */
export function blankedBad(
  line: Uint8Array,
  seq: number | null,
): Uint8Array | null {
  const fields = split(line);
  const isLine = fields.length > 2 && /^[she]$/.test(textOf(fields[0]!));
  if (seq !== null && !(isLine && textOf(fields[1]!) === String(seq)))
    return null;
  const from = isLine ? fields[2]!.byteOffset - line.byteOffset : 0;
  return new Uint8Array(line).fill(DASH, from);
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lossy = new TextDecoder("utf-8", { ignoreBOM: true });

function utf8(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

const textOf = (field: Uint8Array): string => lossy.decode(field);
const pathOf = (field: Uint8Array): string | null =>
  boundText(textOf(unescape(field)), 4_096).text || null;
const said = (field: Uint8Array): string =>
  textOf(field.subarray(0, LONGEST_FIELD_SAID));

function numberOf(
  field: Uint8Array,
  name: string,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  const text = textOf(field);
  const number = /^\d{1,18}$/.test(text) ? Number(text) : NaN;
  if (number <= most) return number;
  throw new Error(`${name}: '${said(field)}' is none`);
}

/** What a shell measured by a clock that was set back meanwhile is less than nothing. */
function durationOf(text: string): number {
  if (/^-?\d{1,15}(\.\d{1,6})?$/.test(text)) return Math.max(0, Number(text));
  throw new Error(`ms: '${text.slice(0, LONGEST_FIELD_SAID)}' is none`);
}

/** Of a pipeline; null of a single command. */
function statusesOf(field: Uint8Array): number[] | null {
  const words = textOf(field).split(/[ |]+/).filter(Boolean);
  if (words.length === 0) return null;
  return words.map((word) => numberOf(Buffer.from(word), "pipe_status", 255));
}
