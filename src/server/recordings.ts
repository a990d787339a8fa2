/**
 * Serves recordings over HTTP, as asciicast: whole, or the screen of a session that
 * runs, and what comes. In bounded memory, for so many at once, for as long as the
 * token of who watches holds.
 */
import { type Ending, without } from "../access/follow-recording.ts";
import { removedRecordings } from "../access/removed-recordings.ts";
import { OpenRecording, recordingBegan } from "../access/recordings.ts";
import type { Log } from "../log/log.ts";
import { Failure, fail, reasonOf } from "../model/failure.ts";
import { isSessionId } from "../model/id.ts";
import { RECORDING_BEGAN, recordingPath } from "../model/recording/place.ts";
import type { Session } from "../model/session.ts";
import { isMissing } from "../os/file.ts";
import { passwdEntry } from "../os/paths.ts";
import { hostNames } from "../os/proc.ts";
import { endText } from "../render/recording.ts";
import { provenanceOf } from "./tools/provenance.ts";
import { Broadcast } from "./broadcast.ts";
import type { ServerStore } from "./store.ts";
import type { Caller } from "./tools/tool.ts";
import { Watches } from "./watches.ts";
import { WholeCast } from "./whole-cast.ts";

/** Of all who watch, and of one of them. */
const WATCHERS_MAX = 64;
const WATCHERS_EACH = 16;
/** Of a session's commands, the newest so many are markers. */
const MARKERS_MAX = 10_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A recording is nothing that a browser shows, or another page may use. */
const HEADERS = {
  "content-type": "application/x-asciicast",
  "content-security-policy": "default-src 'none'; sandbox",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
};

/** Text that is read bit by bit. */
interface Reading {
  /** When what it tells from the start began; UTC, ISO 8601. */
  readonly began_at?: string;
  /** Resolves once there is something to read. */
  readonly ready: Promise<unknown>;
  /** null after the last. */
  next(): Promise<string | null>;
  /** Nothing more is to come, and why. */
  end(ending: Ending): void;
  /** Nobody reads any more. */
  leave(): void;
}

/** Whose a reading is, and what is to be done when it is over. */
interface Open {
  who: string;
  left: () => void;
}

export class Recordings {
  private readonly broadcasts = new Map<string, Broadcast>();
  private readonly open = new Map<Reading, Open>();
  private readonly watches: Watches;

  /**
   * @param root of the folder of recordings
   * @param parted whether other servers over this database have recordings of their own
   */
  constructor(
    private readonly root: string,
    private readonly parted: boolean,
    private readonly store: ServerStore,
    private readonly log: Log,
  ) {
    this.watches = new Watches(store, log);
  }

  /**
   * @param target of the request: `/recordings/SESSION.cast`, `…?follow`
   * @throws Failure
   */
  async answer(target: string, caller: Caller): Promise<Response> {
    const { pathname, searchParams } = new URL(target, "http://localhost");
    const session_id = pathname.replace(/^.*\/|\.cast$/g, "");
    const session = isSessionId(session_id)
      ? await this.store.get(session_id)
      : null;
    if (!session)
      throw fail.not_found(
        "there is no such session",
        "its whole id is needed, as list_sessions has it",
      );
    const live = searchParams.has("follow");
    if (live) await this.requireRunning(session);
    const reading = live ? this.follow(session) : this.whole(session);
    const watcher = watcherOf(caller);
    const open = { who: watcher, left: () => {} };
    this.enter(reading, open);
    try {
      const peer = provenanceOf(caller, caller.token);
      const look = { session_id, watcher, peer, live };
      open.left = await this.watches.begin(look);
      await reading.ready;
      // It was left before that was recorded.
      if (!this.open.has(reading)) open.left();
    } catch (error) {
      reading.leave();
      throw error;
    }
    return this.response(reading, session_id, caller);
  }

  /** Ends all that is open. */
  async close(): Promise<void> {
    for (const reading of [...this.open.keys()])
      reading.end(without("the server stops"));
    await this.watches.close();
  }

  private async requireRunning(session: Session): Promise<void> {
    const over = endText(session);
    if (over !== null)
      throw fail.gone(over, "its recording is at this path without ?follow");
    await recordingBegan(this.root, session);
  }

  private follow(session: Session): Reading {
    const broadcast = this.broadcastOf(session);
    const watcher = broadcast.watch(() => this.forget(watcher));
    return watcher;
  }

  private whole(session: Session): Reading {
    const filter = { session_id: session.session_id, limit: MARKERS_MAX };
    const whole = new WholeCast(
      this.opened(session),
      this.store.commands(filter),
      () => this.forget(whole),
    );
    return whole;
  }

  private forget(reading: Reading): void {
    this.open.get(reading)?.left();
    this.open.delete(reading);
  }

  private broadcastOf(session: Session): Broadcast {
    const { session_id } = session;
    const there = this.broadcasts.get(session_id);
    if (there && !there.isOver) return there;
    const made = new Broadcast(
      this.opened(session),
      () => this.endingOf(session_id),
      (error) => {
        if (this.broadcasts.get(session_id) === made)
          this.broadcasts.delete(session_id);
        if (error !== undefined) this.sayCut(session_id, error);
      },
    );
    this.broadcasts.set(session_id, made);
    return made;
  }

  private async endingOf(session_id: string): Promise<Ending | null> {
    let session: Session | null;
    try {
      // The spool is looked at each second, whoever watches.
      session = await this.store.stored.get(session_id);
    } catch (error) {
      // The database is away for now: who watches goes on.
      if (error instanceof Failure) return null;
      throw error;
    }
    const why = session ? endText(session) : "the session was removed";
    return why === null ? null : { why, exit_code: session?.exit_code ?? null };
  }

  private sayCut(session_id: string, error: unknown): void {
    this.log.warn("recording_cut", { session_id, reason: reasonOf(error) });
  }

  /** @throws Failure (overloaded), and lets go of it */
  private enter(reading: Reading, open: Open): void {
    const all = [...this.open.values()];
    const own = all.filter(({ who }) => who === open.who).length;
    if (all.length < WATCHERS_MAX && own < WATCHERS_EACH)
      return void this.open.set(reading, open);
    reading.leave();
    throw fail.overloaded(
      own < WATCHERS_EACH
        ? `${all.length} recordings are being watched already`
        : `you watch ${own} recordings already`,
      "close one",
    );
  }

  private response(
    reading: Reading,
    session_id: string,
    { token, gone }: Caller,
  ): Response {
    const { ends_ms = Infinity } = token ?? {};
    const left_ms = Math.min(ends_ms - Date.now(), LONGEST_TIMER_MS);
    const timer = setTimeout(
      () => reading.end(without("the token has ended")),
      left_ms,
    );
    let isOver = false;
    const leave = () => {
      isOver = true;
      clearTimeout(timer);
      gone?.removeEventListener("abort", leave);
      reading.leave();
    };
    gone?.addEventListener("abort", leave);
    if (gone?.aborted) leave();
    const pull = async (to: ReadableStreamDefaultController<Uint8Array>) => {
      try {
        const text = await reading.next();
        // Nobody reads any more.
        if (isOver) return;
        if (text !== null) return to.enqueue(new TextEncoder().encode(text));
        leave();
        to.close();
      } catch (error) {
        leave();
        this.sayCut(session_id, error);
        to.error(error);
      }
    };
    const body = new ReadableStream<Uint8Array>(
      { pull, cancel: leave },
      { highWaterMark: 0 },
    );
    const name = `attachment; filename="${session_id}.cast"`;
    const { began_at } = reading;
    return new Response(body, {
      headers: {
        ...{ ...HEADERS, "content-disposition": name },
        ...(began_at !== undefined && { [RECORDING_BEGAN]: began_at }),
      },
    });
  }

  /** @throws Failure when there is none here */
  private opened(session: Session): OpenRecording {
    const { session_id, hostname, metadata, status } = session;
    const path = recordingPath(this.root, session_id);
    if (!isMissing(path)) return this.openAt(path, session_id);
    const removed = removedRecordings(this.root);
    if (removed.some((one) => one.session_id === session_id))
      throw fail.gone("its recording was removed");
    if (hostname !== hostNames().hostname)
      throw fail.not_found(
        `its recording, if there is one, is on ${hostname}${this.parted ? ", or another server has it" : ""}`,
        this.parted
          ? "store.recordings names a folder that all servers share"
          : "look at it there: session-buddy replay",
      );
    if ("recording" in metadata && status !== "active")
      throw fail.gone("its recording was removed");
    throw fail.not_found(
      "its terminal is not recorded",
      "session-buddy shell --record records it",
    );
  }

  private openAt(path: string, session_id: string): OpenRecording {
    try {
      return OpenRecording.open(path, true);
    } catch (error) {
      // It names paths, which are the log's alone.
      this.log.warn("recording_unreadable", {
        ...{ session_id, reason: reasonOf(error) },
      });
      throw fail.gone("its recording is damaged, and cannot be read");
    }
  }
}

/** Who watches: a token's subject, else a user of this host. */
export function watcherOf({ token, via, uid, address }: Caller): string {
  if (token) return token.subject ?? "a token without a subject";
  const user = via === "tcp" ? uid : process.geteuid!();
  if (user === null) return address ?? "unknown";
  return passwdEntry(user)?.username ?? `uid ${user}`;
}
