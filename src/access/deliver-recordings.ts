/**
 * Brings this host's closed recordings to the server at its endpoint, oldest first, at
 * a bounded rate, once their events are there: `drain` does so after the spool. What
 * the server has is marked and stays here until there is no room for it; one process at
 * a time is at it. A piece that did not arrive is sent again by the next one.
 */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, readSync } from "node:fs";
import { type Settings, recordingsRoot } from "../config/load.ts";
import { isoTime } from "../model/clock.ts";
import { EVENT_VERSION, type Annotation } from "../model/event.ts";
import { Failure, Rejected, type Warn, errnoOf } from "../model/failure.ts";
import { namedUuid } from "../model/id.ts";
import { Task } from "../model/progress.ts";
import { recordingPath, recordingsFolder } from "../model/recording/place.ts";
import {
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  isMissing,
  lockFile,
  openRegular,
} from "../os/file.ts";
import { readFailure } from "../os/paths.ts";
import { CircuitBreaker } from "../spool/circuit-breaker.ts";
import {
  type Progress,
  RecordingRefused,
  type RecordingTarget,
  RecordingUnknown,
  putPiece,
} from "../store/remote/recordings.ts";
import { HttpStore } from "../store/remote/store.ts";
import {
  type DeliveryMark,
  forgetGone,
  forgetMark,
  isWaiting,
  isWritten,
  keptRecordings,
  machineOf,
  writeMark,
} from "./kept-recordings.ts";
import { removeOld } from "./removed-recordings.ts";
import { endpointToken } from "./open.ts";

/** A server takes more, but a slow link has to bring one within half a minute. */
const PIECE_BYTES = 256 * 1024;
/** How often a piece may be sent without the server having more. */
const MOST_VAIN = 3;
const READ_BYTES = 256 * 1024;

export interface DeliveryOptions {
  /** Nobody asked, and nobody waits. */
  automatic: boolean;
  warn: Warn;
}

/**
 * Brings what waits, and lets go what is too old.
 * @returns how many were brought
 * @throws Failure when the server cannot be asked; the rest waits
 */
export async function deliverRecordings(
  settings: Settings,
  { automatic, warn }: DeliveryOptions,
): Promise<number> {
  const { config } = settings;
  const data = recordingsRoot(settings);
  const url = config.server.endpoint;
  const folder = recordingsFolder(data);
  if (isMissing(folder)) return 0;
  removeOld(data, config.recordings.keep_ms, Date.now());
  if (url === null) return 0;
  forgetGone(data);
  if (config.delivery.recordings === "off") return 0;
  const breaker = new CircuitBreaker(folder, automatic, Date.now);
  const delivery = new Delivery(settings, url, warn);
  let brought = 0;
  // Whoever met our lock has left its recording to us.
  while (keptRecordings(data).some(isWaiting)) {
    breaker.begin();
    const lock = openRegular(`${folder}/delivery.lock`, O_RDWR | O_CREAT);
    try {
      if (lockFile(lock) === "taken") break;
      const now = await delivery.all();
      breaker.succeeded();
      if (now === 0) break;
      brought += now;
    } catch (error) {
      breaker.failed(error);
      const pause_ms = breaker.pause_ms();
      if (pause_ms === null) throw error;
      await Bun.sleep(pause_ms);
    } finally {
      closeSync(lock);
    }
  }
  return brought;
}

/** Those that the server has not taken are brought once more. */
export function forgetRefused(data: string): void {
  for (const { session_id, mark } of keptRecordings(data))
    if (mark && mark.state !== "delivered") forgetMark(data, session_id);
}

class Delivery {
  private readonly data: string;
  private readonly target: RecordingTarget;
  /** Those that the server knows nothing of: asked again another time. */
  private readonly unknown = new Set<string>();

  constructor(
    private readonly settings: Settings,
    private readonly url: string,
    private readonly warn: Warn,
  ) {
    this.data = recordingsRoot(settings);
    this.target = { url, token: () => endpointToken(settings, url) };
  }

  /** @returns how many were brought, or will not be taken */
  async all(): Promise<number> {
    using task = new Task("recordings");
    const waiting = keptRecordings(this.data).filter(
      (one) => isWaiting(one) && !this.unknown.has(one.session_id),
    );
    const all = waiting.reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    let brought = 0;
    for (const { session_id, bytes } of waiting) {
      const steps = (sent: number) =>
        task.at("bringing recordings", (done + sent) / Math.max(1, all));
      if (await this.bring(session_id, steps)) brought++;
      done += bytes;
    }
    return brought;
  }

  /** @returns whether it need not be brought any more */
  private async bring(
    session_id: string,
    sent: (bytes: number) => void,
  ): Promise<boolean> {
    const path = recordingPath(this.data, session_id);
    try {
      if (isWritten(path)) return false;
      await this.send(session_id, sent);
      this.mark(session_id, "delivered");
      return true;
    } catch (error) {
      if (error instanceof RecordingUnknown) {
        this.unknown.add(session_id);
        return false;
      }
      if (error instanceof SessionUnknown) {
        this.mark(session_id, "unknown");
        return true;
      }
      if (error instanceof RecordingRefused) {
        this.warn(
          `the recording of ${session_id} was not taken: ${error.message}`,
        );
        this.mark(session_id, "refused", error.message);
        return true;
      }
      // It went meanwhile: to make room, say.
      if (errnoOf(error) === "ENOENT" && isMissing(path)) return false;
      throw errnoOf(error) ? readFailure(path, error) : error;
    }
  }

  private mark(
    session_id: string,
    state: DeliveryMark["state"],
    why?: string,
  ): void {
    // It was removed meanwhile, with what was said of it.
    if (isMissing(recordingPath(this.data, session_id))) return;
    const at = isoTime(Date.now());
    writeMark(this.data, session_id, {
      ...{ state, to: this.url, by: machineOf(this.data), at },
      ...(why !== undefined && { why }),
    });
  }

  private async send(
    session_id: string,
    sent: (bytes: number) => void,
  ): Promise<void> {
    const fd = openRegular(recordingPath(this.data, session_id), O_RDONLY);
    try {
      let at = await this.ask(session_id, fd);
      if (at.bytes < at.of) requireSame(fd, at);
      const pace = new Pace(this.settings.config.delivery.bytes_per_second);
      const page = new Uint8Array(pace.piece_bytes);
      for (let vain = 0; at.bytes < at.of;) {
        const got = readSync(fd, page, 0, page.length, at.bytes);
        if (got === 0) throw changed();
        const piece = page.subarray(0, got);
        const before = at.bytes;
        at = await putPiece(this.target, session_id, before, piece);
        if (at.bytes <= before && ++vain >= MOST_VAIN)
          throw new Failure(
            "storage",
            `the server takes nothing of the recording of ${session_id}`,
          );
        sent(at.bytes);
        if (at.bytes < at.of) await pace.after(got);
      }
    } finally {
      closeSync(fd);
    }
  }

  /** How far it is; where nothing is told of it yet, we tell. */
  private async ask(session_id: string, fd: number): Promise<Progress> {
    const none = new Uint8Array();
    try {
      return await putPiece(this.target, session_id, 0, none);
    } catch (error) {
      if (!(error instanceof RecordingUnknown)) throw error;
      if (!(await this.tell(session_id, fd))) throw error;
      return await putPiece(this.target, session_id, 0, none);
    }
  }

  /**
   * The wrapper was killed: its session's end says nothing of the recording.
   * @returns false where the server does not know of the session's end
   * @throws SessionUnknown where it knows nothing of the session
   */
  private async tell(session_id: string, fd: number): Promise<boolean> {
    const token = await this.target.token();
    const store = new HttpStore({ url: this.url, token });
    const session = await store.get(session_id);
    if (!session) throw new SessionUnknown();
    if (session.end_time === null) return false;
    const recording = digestOf(fd);
    const event: Annotation = {
      event_version: EVENT_VERSION,
      event_id: namedUuid(`${session_id} recording ${recording.sha256}`),
      event_type: "annotation",
      session_id,
      // A later one would be a sign of life.
      timestamp: session.end_time,
      measured: { recording },
    };
    try {
      await store.append([event]);
      return true;
    } catch (error) {
      // The session is another's there.
      if (error instanceof Rejected) throw new RecordingRefused(error.sentence);
      throw error;
    }
  }
}

/** It ended before its host had that server, say. */
class SessionUnknown extends Error {}

/** Waits so that so many bytes a second go at most. */
export class Pace {
  readonly piece_bytes: number;
  private readonly began_ms: number;
  private bytes = 0;

  constructor(
    private readonly bytes_per_second: number,
    private readonly now: () => number = () => performance.now(),
    private readonly sleep: (ms: number) => Promise<unknown> = Bun.sleep,
  ) {
    this.piece_bytes = Math.min(PIECE_BYTES, bytes_per_second);
    this.began_ms = now();
  }

  /** So many were sent just now. */
  async after(bytes: number): Promise<void> {
    this.bytes += bytes;
    const due_ms = (this.bytes / this.bytes_per_second) * 1_000;
    const ms = this.began_ms + due_ms - this.now();
    if (ms > 0) await this.sleep(ms);
  }
}

/** @throws RecordingRefused when it is not what its session's end tells of */
function requireSame(fd: number, { of, sha256 }: Progress): void {
  if (fstatSync(fd).size !== of || digestOf(fd).sha256 !== sha256)
    throw changed();
}

const changed = () =>
  new RecordingRefused(
    "its file is not what the end of its session tells of: it was changed since",
  );

function digestOf(fd: number): { bytes: number; sha256: string } {
  const hash = createHash("sha256");
  const page = new Uint8Array(READ_BYTES);
  for (let bytes = 0; ;) {
    const got = readSync(fd, page, 0, READ_BYTES, bytes);
    if (got === 0) return { bytes, sha256: hash.digest("hex") };
    hash.update(page.subarray(0, got));
    bytes += got;
  }
}
