/**
 * Writes a server's log: a line of JSON an event, in a file that is rotated by its
 * size. No secret gets into it, and nothing that acts on a terminal.
 *
 * A log never harms the server: lines that cannot be written are counted, and the
 * count is logged once writing works again.
 */
import {
  type Stats,
  closeSync,
  fstatSync,
  lstatSync,
  renameSync,
  writeSync,
} from "node:fs";
import { type Settings, statePaths } from "../config/load.ts";
import type { Json } from "../model/event.ts";
import { Failure, errnoOf, reasonOf, fail } from "../model/failure.ts";
import { plainJson } from "../model/json.ts";
import { O_APPEND, O_CREAT, O_WRONLY, openRegular } from "../os/file.ts";
import { ensurePrivateDir } from "../os/paths.ts";
import { trustedPath } from "../os/trust.ts";
import type { LogLevel } from "../config/values.ts";

/** The newest and the older ones. */
export const LOG_FILES = 5;
const MAX_FILE_BYTES = 8 * 1024 * 1024;
const RETRY_MS = 1_000;
const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** @param age 0 is the one that is written */
export function logFile(folder: string, age: number): string {
  return `${folder}/server.log${age === 0 ? "" : `.${age}`}`;
}

export class Log {
  private fd: number | null = null;
  private retryAt = 0;
  /** How many lines could not be written so far. */
  dropped = 0;
  /** How many of the lost lines the log itself has told of. */
  private told = 0;
  /** True after a write that stopped within a line: the next one starts afresh. */
  private torn = false;
  /** Why nothing can be written at the moment; null when all is well. */
  trouble: string | null = null;

  readonly debug = this.at("debug");
  readonly info = this.at("info");
  readonly warn = this.at("warn");
  readonly error = this.at("error");

  /**
   * @param folder made when it is not there, private
   * @param level the least that is written
   */
  constructor(
    private readonly folder: string,
    private readonly level: LogLevel,
    private readonly maxFileBytes = MAX_FILE_BYTES,
  ) {
    this.attempt(() => this.ready());
  }

  /**
   * The log of the server of these settings.
   * @throws Failure (permission) where others rule: that is a mistake, no trouble
   */
  static open(settings: Settings): Log {
    const { logs } = statePaths(settings);
    trustedPath(logs, "leaf");
    return new Log(logs, settings.config.log.level);
  }

  close(): void {
    if (this.fd !== null) closeSync(this.fd);
    this.fd = null;
  }

  private at(level: LogLevel) {
    return (event: string, fields?: object) => this.say(level, event, fields);
  }

  private say(level: LogLevel, event: string, fields: object = {}): void {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(this.level)) return;
    const untold = this.dropped - this.told;
    const gap = untold ? line("warn", "log_lines_lost", { lines: untold }) : "";
    if (this.attempt(() => this.write(gap + line(level, event, fields))))
      this.told = this.dropped;
    else this.dropped++;
  }

  /** @returns false when it failed; it is not tried again for a second then */
  private attempt(what: () => void): boolean {
    if (this.trouble !== null && performance.now() < this.retryAt) return false;
    try {
      what();
      this.trouble = null;
      return true;
    } catch (error) {
      this.trouble = reasonOf(error);
      this.retryAt = performance.now() + RETRY_MS;
      this.close();
      return false;
    }
  }

  private write(text: string): void {
    const bytes = Buffer.from(this.torn ? `\n${text}` : text);
    const fd = this.ready(bytes.length);
    // A full disk or a file size limit writes less than asked, then fails.
    for (let at = 0; at < bytes.length;) {
      at += writeSync(fd, bytes, at);
      this.torn = at < bytes.length;
    }
  }

  /** The file to write to: this very name, and with room. */
  private ready(bytes = 0): number {
    const path = logFile(this.folder, 0);
    const there = look(path);
    const full =
      there && there.size > 0 && there.size + bytes > this.maxFileBytes;
    if (full) this.rotate();
    // Removed, or moved away by somebody else, it is not ours any more.
    const ours = this.fd !== null && there?.ino === fstatSync(this.fd).ino;
    if (full || !ours) this.close();
    return (this.fd ??= this.openFile(path));
  }

  private rotate(): void {
    for (let age = LOG_FILES - 1; age > 0; age--)
      try {
        renameSync(logFile(this.folder, age - 1), logFile(this.folder, age));
      } catch (error) {
        if (errnoOf(error) !== "ENOENT") throw error;
      }
  }

  private openFile(path: string): number {
    ensurePrivateDir(this.folder);
    const fd = openRegular(path, O_WRONLY | O_APPEND | O_CREAT);
    if (fstatSync(fd).uid === process.geteuid!()) return fd;
    closeSync(fd);
    throw fail.permission(`'${path}' is not a file of ours`);
  }
}

/** What is there; whoever opens it says why it could not be looked at. */
function look(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null;
  }
}

function line(level: LogLevel, event: string, fields: object): string {
  const head = { time: new Date().toISOString(), level, event };
  const said = Object.entries(redact(fields) as object);
  const rest = said.filter(([name]) => !Object.hasOwn(head, name));
  return `${plainJson({ ...head, ...Object.fromEntries(rest) })}\n`;
}

/** Names of what is never written, whatever is in it. */
const SECRET_NAME = /(token|authorization|secret|password|cookie)$/i;
/** Parts of letters as a JWT has them, three or more; runs begin only where no such letter is before. */
const DOTTED = /(?<![\w-])[\w-]{8,}(?:\.[\w-]*){2,}/g;
/** How base64 begins that hides `{"`, `{ ` or a line break after the brace. */
const JSON_IN_BASE64 = /e[yw]/;

const MAX_TEXT = 2_048;
const MAX_DEPTH = 6;
/** Letters and values a line, about. */
const MAX_LINE = 16_384;

/**
 * What may be written of a value: no tokens, no endless texts, trees or lists.
 * Keys that name a secret are left out, what looks like a JWT is replaced.
 */
export function redact(value: unknown): Json {
  return new Redaction().of(value, 0);
}

class Redaction {
  private left = MAX_LINE;

  of(value: unknown, depth: number): Json {
    this.left -= 4;
    if (value === null || value === undefined) return null;
    if (typeof value === "boolean") return value;
    if (typeof value === "number") return Number.isFinite(value) ? value : null;
    if (typeof value !== "object") return this.text(String(value));
    if (depth === MAX_DEPTH || this.left <= 0) return "…";
    if (value instanceof Date) return this.text(String(value.toJSON()));
    if (value instanceof Error) return this.error(value, depth);
    if (Array.isArray(value)) return this.list(value, depth);
    return this.tree(value, depth);
  }

  private text(text: string): string {
    const masked = text
      .slice(0, 8 * MAX_TEXT)
      .replace(DOTTED, (run) => (JSON_IN_BASE64.test(run) ? "[token]" : run))
      .replace(/\b(bearer)\s+[^\s,;"']+/gi, "$1 [token]");
    const room = Math.max(0, Math.min(MAX_TEXT, this.left));
    this.left -= Math.min(room, masked.length);
    const cut = text.length > 8 * MAX_TEXT || masked.length > room;
    return cut ? `${masked.slice(0, room)}…` : masked;
  }

  private error(error: Error, depth: number): Json {
    const { message, stack } = error;
    const { code, cause } = error as { code?: unknown; cause?: unknown };
    // A failure on purpose explains itself, its place in the code does not.
    const where = error instanceof Failure ? {} : { stack };
    const why = cause === undefined ? {} : { cause };
    return this.tree({ message, code, ...where, ...why }, depth);
  }

  private list(values: readonly unknown[], depth: number): Json {
    const out: Json[] = [];
    for (const value of values) {
      if (this.left <= 0) return [...out, "…"];
      out.push(this.of(value, depth + 1));
    }
    return out;
  }

  private tree(values: object, depth: number): Json {
    const out: [string, Json][] = [];
    for (const [name, value] of Object.entries(values)) {
      if (this.left <= 0) break;
      if (SECRET_NAME.test(name) || value === undefined) continue;
      out.push([this.text(name), this.of(value, depth + 1)]);
    }
    return Object.fromEntries(out);
  }
}
