/**
 * Tells whether the session of a spool file is alive: by the file's lock, then by
 * the child that the `process` event names. What cannot be known is unknown, never
 * lost.
 */
import {
  type Event,
  type Process,
  type SessionEnd,
  type SessionStart,
  isKind,
  lostEnd,
} from "../model/event.ts";
import type { Clock } from "../model/clock.ts";
import { isSessionId } from "../model/id.ts";
import { libc } from "../os/libc.ts";
import { lockFile } from "../os/file.ts";
import {
  type Liveness,
  childLiveness,
  identityOf,
  liveness,
  variableLiveness,
} from "../os/liveness.ts";
import { bootId, bootTime, hostNames } from "../os/proc.ts";
import { SESSION_ID_VARIABLE } from "../os/parent.ts";
import { CommandLines } from "./command-lines.ts";
import { spoolName } from "./folder.ts";
import {
  BEGINNING,
  type BadLine,
  EVENT_LINES,
  type LineForm,
  type Position,
} from "./read.ts";

const NAME = /^(.+?)(?:\.(\d{1,7}))?\.(ndjson|commands)$/;

/**
 * Who writes a spool file, by its name: the wrapper writes `ID.ndjson`, a hooked
 * shell within that session `ID.<pid>.commands`, or `ID.<pid>.ndjson`.
 * @returns null for any other file
 */
export function writerOf(
  name: string,
): { session_id: string; shell: number | null } | null {
  const [, session_id = "", pid, form] = NAME.exec(name) ?? [];
  if (!isSessionId(session_id)) return null;
  if (pid === undefined)
    return form === "ndjson" ? { session_id, shell: null } : null;
  return { session_id, shell: Number(pid) };
}

/** The session that a spool file is of; empty where its name is of none. */
export const sessionOf = (name: string): string =>
  writerOf(name)?.session_id ?? "";

export const isShellFile = (name: string): boolean =>
  typeof writerOf(name)?.shell === "number";

/** Whether the shell runs on that writes a file. */
export function shellLiveness(name: string): Liveness {
  const { session_id, shell } = writerOf(name)!;
  return variableLiveness(shell!, `${SESSION_ID_VARIABLE}=${session_id}`);
}

/** Whether a shell needs its file when its session has ended: the header is in it. */
export const goesOn = (name: string): boolean =>
  name.endsWith(".commands") && shellLiveness(name) !== "gone";

/**
 * Where a file was written: on this boot, where pids and locks tell who is alive;
 * on a boot of this host that is over; or unknown. Another boot id alone says
 * little: hosts that share a data folder may have the same machine id.
 */
export type Origin = "here" | "over" | "unknown";

/** How many heartbeats may be missed, and the least time that is. */
const LATE_HEARTBEATS = 4;
const LATE_MS = 120_000;

/**
 * A file that was touched before our boot is not over for that: a clone of the
 * same name may run elsewhere.
 */
export function originOf(
  { boot_id, hostname }: Pick<SessionStart, "boot_id" | "hostname">,
  { touched, now, heartbeat_ms }: Omit<Look, "adopt">,
): Origin {
  const here = bootId();
  if (!here || !boot_id || boot_id === here) return "here";
  const booted = bootTime();
  const ours = hostname !== "" && hostname === hostNames().hostname;
  const late_ms = Math.max(LATE_MS, heartbeat_ms * LATE_HEARTBEATS);
  const silent = now - touched.getTime() > late_ms;
  return ours && booted && touched < booted && silent ? "over" : "unknown";
}

/** After so long without a touch an unknown boot counts as over. */
const SILENT_MS = 86_400_000;

/** A look at a file: when, and what it looks like then. */
export interface Look {
  /** When the file was last written to or touched. */
  touched: Date;
  now: number;
  /** How often a wrapper touches its file, as configured here. */
  heartbeat_ms: number;
  /** The user says that the writer is gone, if it is not of this boot. */
  adopt: boolean;
}

function formOf(name: string): LineForm {
  const own = spoolName(name);
  const { session_id, shell } = writerOf(own) ?? {};
  return session_id !== undefined && shell && own.endsWith(".commands")
    ? new CommandLines(session_id, shell)
    : EVENT_LINES;
}

/** What a pass knows of a file. */
export class FileFacts {
  /** What its lines are, by its name. */
  form: LineForm;
  private start: SessionStart | null = null;
  private process: Process | null = null;
  private session_id: string | null = null;
  private lastTimestamp = "";
  ended = false;
  /** A drain found that end: a later event reopens the session. */
  recovered = false;
  read_to: Position = BEGINNING;
  /** A line that is too long to be copied to the quarantine. */
  oversized: BadLine | null = null;
  /** Bytes follow the last newline. */
  unfinished = false;

  /** @param name of the file, in the spool or in done/ */
  constructor(private readonly name: string) {
    this.form = formOf(name);
  }

  get ofCommands(): boolean {
    return this.form !== EVENT_LINES;
  }

  /** Forgets what was read of a file of commands. */
  beginAnew(): void {
    this.form = formOf(this.name);
    this.read_to = BEGINNING;
  }

  take(event: Event): void {
    this.session_id ??= event.session_id;
    if (event.timestamp > this.lastTimestamp)
      this.lastTimestamp = event.timestamp;
    if (isKind(event, "process")) this.process = event;
    if (isKind(event, "session_end")) {
      this.ended = true;
      this.recovered = event.end_source === "recovered";
    }
    if (isKind(event, "session_start")) this.start = event;
  }

  /**
   * Whether the writer of an open file runs. The file was read before its lock is
   * tried: a free lock means that the writer is gone.
   */
  writerLiveness(fd: number, look: Look): Liveness {
    const elsewhere = this.elsewhere(look);
    if (elsewhere === "unknown") return "unknown";
    if (this.start?.lock !== "none") {
      if (!libc) return "unknown";
      const lock = lockFile(fd);
      if (lock === "held") libc.unlock(fd);
      // "none": it was locked where it was written, and its folder moved since.
      if (lock !== "none") return lock === "taken" ? "alive" : "gone";
    }
    if (this.ended || !this.start) return "gone";
    return elsewhere ?? liveness(identityOf(this.start));
  }

  /** Whether the wrapped child runs, once the writer is gone. */
  childLiveness(look: Look): Liveness {
    const elsewhere = this.elsewhere(look);
    if (elsewhere) return elsewhere;
    if (this.process) return liveness(this.process);
    // Killed around the spawn, before the child's pid was written.
    if (!this.session_id || !this.start) return "gone";
    const entry = `${SESSION_ID_VARIABLE}=${this.session_id}`;
    return childLiveness(identityOf(this.start), entry);
  }

  /** @returns null for a file that was written on this boot */
  private elsewhere(look: Look): Liveness | null {
    const { touched, now, adopt } = look;
    const boot_id = this.process?.boot_id ?? this.start?.boot_id ?? null;
    const hostname = this.start?.hostname ?? "";
    const origin = originOf({ boot_id, hostname }, look);
    if (origin === "here") return null;
    const silent = now - touched.getTime() > SILENT_MS;
    return origin === "over" || silent || adopt ? "gone" : "unknown";
  }

  /**
   * The recovered end, at the last sign of life.
   * @param touched the last heartbeat: the modification time of the file
   * @param shells the files of shells within the session
   */
  recoveredEnd(touched: Date, shells: readonly FileFacts[]): SessionEnd | null {
    if (!this.session_id) return null;
    // An end before the last event would not hold.
    const signs = [this, ...shells].map((facts) => facts.lastTimestamp);
    const last = [touched.toISOString(), ...signs].sort().at(-1)!;
    return lostEnd(this.session_id, last);
  }
}

/** The signs of life that a pass finds: when the files of live sessions were touched. */
export class SignsOfLife {
  /** session id → the last sign, UTC, ISO 8601 */
  readonly latest = new Map<string, string>();

  /** @param began when the pass did, in milliseconds since the epoch */
  constructor(
    private readonly began: number,
    private readonly now: Clock,
  ) {}

  /**
   * Who is known to live does so now, however long ago it wrote. Of another a time
   * in the future is no sign.
   * @param at when it wrote last
   */
  add(name: string, at: Date, who: Liveness): void {
    const session_id = sessionOf(name);
    if (!session_id || (who !== "alive" && this.past(at) !== at)) return;
    const seen = who === "alive" ? new Date(this.began) : at;
    this.latest.set(session_id, seen.toISOString());
  }

  /** Now, for a time in the future: it was written before the clock was set back. */
  past(at: Date): Date {
    const now = Math.max(this.began, this.now());
    return at.getTime() > now ? new Date(now) : at;
  }
}
