/**
 * Live is told from dead: by the file's lock, then by the child that the
 * `process` event names. What cannot be known stays unknown, never lost.
 */
import {
  type Event,
  type Process,
  type SessionEnd,
  type SessionStart,
  isKind,
  lostEnd,
} from "../model/event.ts";
import { isSessionId } from "../model/id.ts";
import { libc } from "../os/libc.ts";
import { lockFile } from "../os/file.ts";
import {
  type Liveness,
  bootId,
  bootTime,
  childLiveness,
  hostNames,
  liveness,
} from "../os/proc.ts";
import { SESSION_ID_VARIABLE } from "../os/parent.ts";
import { BEGINNING, type BadLine, type Position } from "./read.ts";

const NAME = /^(.+?)(?:\.(\d{1,7}))?\.ndjson$/;

/**
 * Whose lines a spool file holds, by its name: the wrapper writes
 * `ID.ndjson`, a hooked shell within that session `ID.<pid>.ndjson`.
 * @returns null of any other file
 */
export function writerOf(
  name: string,
): { session_id: string; shell: number | null } | null {
  const [, session_id = "", pid] = NAME.exec(name) ?? [];
  if (!isSessionId(session_id)) return null;
  return { session_id, shell: pid === undefined ? null : Number(pid) };
}

/** Whether a hooked shell within a session wrote it. */
export const isShellFile = (name: string): boolean =>
  typeof writerOf(name)?.shell === "number";

/**
 * Where a file was written: on this boot, where pids and locks tell who lives;
 * on a boot of this host that is over; or nobody can tell. Another boot id alone
 * says little: hosts that share a data folder may have one machine id, too.
 */
export type Origin = "here" | "over" | "unknown";

/** Heartbeats that may be late, and the least that they are worth. */
const LATE_HEARTBEATS = 4;
const LATE_MS = 120_000;

/**
 * @param touched when the file was last written to or touched: before our boot is
 *   not enough, for a clone by the same name may run on elsewhere
 */
export function originOf(
  { boot_id, hostname }: Pick<SessionStart, "boot_id" | "hostname">,
  { touched, now, heartbeat_ms }: Omit<Look, "adopt">,
): Origin {
  const here = bootId();
  // Without them a process of the file cannot be judged by its pid either.
  if (!here || !boot_id || boot_id === here) return "here";
  const booted = bootTime();
  const ours = hostname !== "" && hostname === hostNames().hostname;
  const late_ms = Math.max(LATE_MS, heartbeat_ms * LATE_HEARTBEATS);
  const silent = now - touched.getTime() > late_ms;
  return ours && booted && touched < booted && silent ? "over" : "unknown";
}

/**
 * Silent for so long, what was written on a boot that nobody knows counts as
 * over: a live wrapper touches its file every 30 s.
 */
const SILENT_MS = 86_400_000;

/** At which moment a file is judged, and what it looks like then. */
export interface Look {
  /** When the file was last written to or touched. */
  touched: Date;
  now: number;
  /** How often a wrapper touches its file, by our configuration. */
  heartbeat_ms: number;
  /** A person says that whoever wrote it is gone for good, if it is not of this boot. */
  adopt: boolean;
}

/** What one pass over a file needs to remember of it. */
export class FileFacts {
  private start: SessionStart | null = null;
  private process: Process | null = null;
  private session_id: string | null = null;
  private lastTimestamp = "";
  ended = false;
  /** That end was found by a drain: what comes later opens the session again. */
  recovered = false;
  read_to: Position = BEGINNING;
  /** A line that is too long to be copied: the whole file is kept instead. */
  oversized: BadLine | null = null;
  /** Bytes follow the last newline. */
  unfinished = false;

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

  /** False when the first line says that nobody may judge by the lock. */
  get lockable(): boolean {
    return this.start?.lock !== "none";
  }

  /** Whether the recorder runs on, of a file that has no lock to tell. */
  writerLiveness(look: Look): Liveness {
    if (this.ended || !this.start) return "gone";
    return this.elsewhere(look) ?? liveness(recorderOf(this.start));
  }

  /** Whether the wrapped child runs on, of a file whose writer is gone. */
  childLiveness(look: Look): Liveness {
    const elsewhere = this.elsewhere(look);
    if (elsewhere) return elsewhere;
    if (this.process) return liveness(this.process);
    // Killed around the spawn, before the child's pid was written. Without a
    // start nobody will ever see the session.
    if (!this.session_id || !this.start) return "gone";
    const entry = `${SESSION_ID_VARIABLE}=${this.session_id}`;
    return childLiveness(recorderOf(this.start), entry);
  }

  /** Of what was written on another boot. @returns null of what was not */
  elsewhere(look: Look): Liveness | null {
    const { touched, now, adopt } = look;
    const boot_id = this.process?.boot_id ?? this.start?.boot_id ?? null;
    const hostname = this.start?.hostname ?? "";
    const origin = originOf({ boot_id, hostname }, look);
    if (origin === "here") return null;
    const silent = now - touched.getTime() > SILENT_MS;
    return origin === "over" || silent || adopt ? "gone" : "unknown";
  }

  /**
   * The end that nobody saw, at the last sign of life.
   * @param touched the file's modification time: its last heartbeat
   * @param shells what shells within the session have written
   */
  recoveredEnd(touched: Date, shells: readonly FileFacts[]): SessionEnd | null {
    if (!this.session_id) return null;
    // Before the last event it would hold no longer than until it is read.
    const signs = [this, ...shells].map((facts) => facts.lastTimestamp);
    const last = [touched.toISOString(), ...signs].sort().at(-1)!;
    return lostEnd(this.session_id, last);
  }
}

const recorderOf = ({
  pid,
  start_ticks,
  pid_namespace,
  boot_id,
}: SessionStart) => ({
  pid,
  start_ticks: start_ticks ?? null,
  pid_namespace: pid_namespace ?? null,
  boot_id: boot_id ?? null,
});

/**
 * Whether who writes an open file runs on. Its content was read before its lock
 * is tried: a free lock means that the writer is gone.
 */
export function writerLiveness(
  fd: number,
  facts: FileFacts,
  look: Look,
): Liveness {
  if (facts.elsewhere(look) === "unknown") return "unknown";
  if (!facts.lockable) return facts.writerLiveness(look);
  if (!libc) return "unknown";
  const lock = lockFile(fd);
  // It was locked where it was written: its folder has been moved since.
  if (lock === "none") return facts.writerLiveness(look);
  if (lock === "taken") return "alive";
  libc.unlock(fd);
  return "gone";
}
