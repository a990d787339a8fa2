/**
 * Records conversations on chat channels as sessions. A client keeps no id: channel,
 * sender, scope and thread (and the day, for those that last a day) identify the
 * conversation. The open ones are kept in memory, read from the store once.
 */
import {
  EVENT_VERSION,
  type JsonObject,
  type SessionEnd,
  type SessionStart,
} from "../../model/event.ts";
import { digest } from "../../model/id.ts";
import {
  type Provenance,
  mayReport,
  reporterOf,
} from "../../model/reporter.ts";
import { KeyedMutex, type Recorder, appendOne } from "./recorder.ts";

type Status = "tracked" | "ended" | "not_found";

export const SCOPES = ["conversation", "thread", "day"] as const;
export const CHANNEL_EVENTS = [
  "channel_session_start",
  "channel_session_end",
  "channel_heartbeat",
] as const;
/** Ids that are looked at for a conversation before one is made that is not to be guessed. */
const MAX_GUESSED = 16;
/** Ends that are remembered, so that one sent again is still an end. */
const MAX_ENDED = 4_096;
const SPARE_ROOM = 10_000;

/** What was reported, checked. */
export interface Report {
  kind: (typeof CHANNEL_EVENTS)[number];
  /** As it is stored. */
  event_id: string;
  timestamp: string;
  component_name: string;
  key: string;
  /** What the session keeps of the channel. */
  channel: JsonObject;
  metadata: JsonObject;
}

export class Channels {
  private readonly mutex = new KeyedMutex();
  /** Open sessions by `openKey`. */
  private open: Promise<Map<string, string>> | null = null;
  /** How many may be held before the store is asked which have lapsed. */
  private room = 0;
  /** By the event_id of the end: the session that it ended. */
  private readonly ended = new Map<string, string>();

  constructor(private readonly store: Recorder) {}

  /**
   * @param start what begins a session, if the report has to
   * @param now UTC, ISO 8601 with milliseconds
   * @returns the session, and what became of the report
   * @throws Failure (refused) when the store does not take it
   */
  track(
    report: Report,
    start: SessionStart,
    from: Provenance,
    now: string,
  ): Promise<[string | null, Status]> {
    return this.mutex.run(report.key, () =>
      report.kind === "channel_session_end"
        ? this.end(report, from)
        : this.begin(report, start, from, now),
    );
  }

  /** A start or a heartbeat: the open session lives on, or one begins. */
  private async begin(
    { key, timestamp }: Report,
    start: SessionStart,
    from: Provenance,
    now: string,
  ): Promise<[string, Status]> {
    const begun = await this.store.sessionOf(start, from);
    if (begun !== null) return [begun, "tracked"];
    const going = await this.going(key, from);
    if (going !== null) {
      const sign = timestamp < now ? timestamp : now;
      await this.store.seen(new Map([[going, sign]]), from);
      return [going, "tracked"];
    }
    start.session_id = await this.freeId(key, start.event_id, from);
    await appendOne(this.store, start, from);
    const open = await this.loaded();
    open.set(openKey(reporterOf(from), key), start.session_id);
    if (open.size > this.room) this.open = null;
    return [start.session_id, "tracked"];
  }

  /** The first of a start's ids that no other has taken: they can be guessed. */
  private async freeId(
    key: string,
    start_event_id: string,
    from: Provenance,
  ): Promise<string> {
    for (let n = 0; n < MAX_GUESSED; n++) {
      const id = channelSessionId(key, start_event_id, n);
      const summary = await this.store.summary(id);
      if (summary === null) return id;
      const free = summary.start_event_id === null;
      if (free && mayReport(summary.reporter, from)) return id;
    }
    return channelSessionId(key, crypto.randomUUID(), 0);
  }

  private async end(
    { key, event_id, timestamp, metadata, channel }: Report,
    from: Provenance,
  ): Promise<[string | null, Status]> {
    const end: SessionEnd = {
      event_version: EVENT_VERSION,
      event_id,
      event_type: "session_end",
      session_id: "",
      timestamp,
      end_source: "observed",
      exit_code: null,
      signal: null,
      metadata: { ...metadata, ...channel },
    };
    const before =
      this.ended.get(event_id) ?? (await this.store.sessionOf(end, from));
    if (before !== null) return [before, "ended"];
    const session_id = await this.going(key, from);
    if (session_id === null) return [null, "not_found"];
    await appendOne(this.store, { ...end, session_id }, from);
    this.remember(event_id, session_id);
    return [session_id, "ended"];
  }

  /**
   * The session that a reporter has begun under a key, or that nobody knows who
   * has, and that has not ended; another way may have ended it.
   */
  private async going(key: string, from: Provenance): Promise<string | null> {
    const open = await this.loaded();
    for (const reporter of [reporterOf(from), null]) {
      const session_id = open.get(openKey(reporter, key));
      if (session_id === undefined) continue;
      const session = await this.store.summary(session_id);
      if (session && !session.ended) return session_id;
      open.delete(openKey(reporter, key));
    }
    return null;
  }

  private remember(event_id: string, session_id: string): void {
    this.ended.set(event_id, session_id);
    const [oldest] = this.ended.keys();
    if (this.ended.size > MAX_ENDED) this.ended.delete(oldest!);
  }

  private loaded(): Promise<Map<string, string>> {
    return (this.open ??= this.load().catch((error: unknown) => {
      this.open = null;
      throw error;
    }));
  }

  private async load(): Promise<Map<string, string>> {
    const open = new Map<string, string>();
    // Newest first: of two under one key the newer counts.
    for (const session of (await this.store.open("channel")).reverse()) {
      const { reporter, session_id, metadata, start_time } = session;
      // Metadata leaves out what is null.
      const key = keyOf({ thread_id: null, ...metadata }, start_time);
      open.set(openKey(reporter, key), session_id);
    }
    this.room = 2 * open.size + SPARE_ROOM;
    return open;
  }
}

/** Each reporter has conversations of its own, whatever the others have. */
const openKey = (reporter: string | null, key: string): string =>
  JSON.stringify([reporter, key]);

/** What makes two reports belong to one conversation. */
export function keyOf(channel: JsonObject, timestamp: string): string {
  const { channel_type, channel_id, sender_id, session_scope: scope } = channel;
  const day = scope === "day" ? timestamp.slice(0, 10) : null;
  const place = [channel_type, channel_id, sender_id, scope];
  return JSON.stringify([...place, channel["thread_id"], day]);
}

/** @param n which of the ids that a start may have */
export function channelSessionId(
  key: string,
  start_event_id: string,
  n: number,
): string {
  const name = `${key}${start_event_id}${n > 0 ? ` ${n}` : ""}`;
  const bytes = new TextEncoder().encode(name);
  return `chan_${digest("sha256", bytes).toHex().slice(0, 12)}`;
}
