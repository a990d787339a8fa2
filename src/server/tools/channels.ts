/**
 * Records conversations on chat channels as sessions. A client keeps no id: channel,
 * sender, scope and thread (and the day, for those that last a day) identify the
 * conversation. Which of them go on is the store's to know.
 */
import {
  EVENT_VERSION,
  type JsonObject,
  type SessionEnd,
  type SessionStart,
} from "../../model/event.ts";
import { digest } from "../../model/id.ts";
import { KeyedMutex } from "../../model/mutex.ts";
import { type Provenance, reporterOf } from "../../model/reporter.ts";
import type { Conversation } from "../../model/store.ts";
import { type Recorder, appendOne, beginOne } from "./recorder.ts";

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
    report: Report,
    start: SessionStart,
    from: Provenance,
    now: string,
  ): Promise<[string, Status]> {
    const { key, timestamp } = report;
    const begun = await this.store.sessionOf(start, from);
    if (begun !== null) return [begun, "tracked"];
    const conversation = conversationOf(report, from);
    const going = await this.store.going(conversation);
    if (going !== null) return this.goOn(going, timestamp, from, now);
    const ids = Array.from({ length: MAX_GUESSED }, (_, n) =>
      channelSessionId(key, start.event_id, n),
    );
    // They can be guessed, and others have taken them: one that is not to be.
    ids.push(channelSessionId(key, crypto.randomUUID(), 0));
    const { session_id, how } = await beginOne(
      ...([this.store, start, ids, from, conversation] as const),
    );
    return how === "going"
      ? this.goOn(session_id, timestamp, from, now)
      : [session_id, "tracked"];
  }

  private async goOn(
    session_id: string,
    timestamp: string,
    from: Provenance,
    now: string,
  ): Promise<[string, Status]> {
    const sign = timestamp < now ? timestamp : now;
    await this.store.seen(new Map([[session_id, sign]]), from);
    return [session_id, "tracked"];
  }

  private async end(
    report: Report,
    from: Provenance,
  ): Promise<[string | null, Status]> {
    const { event_id, timestamp, metadata, channel } = report;
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
    const session_id = await this.store.going(conversationOf(report, from));
    if (session_id === null) return [null, "not_found"];
    await appendOne(this.store, { ...end, session_id }, from);
    this.remember(event_id, session_id);
    return [session_id, "ended"];
  }

  private remember(event_id: string, session_id: string): void {
    this.ended.set(event_id, session_id);
    const [oldest] = this.ended.keys();
    if (this.ended.size > MAX_ENDED) this.ended.delete(oldest!);
  }
}

/** Of a reporter, or of one that nobody knows who has begun. */
const conversationOf = (
  { key, channel }: Report,
  from: Provenance,
): Conversation => ({
  username: String(channel["sender_id"]),
  keys: [openKey(reporterOf(from), key), openKey(null, key)],
  // Metadata leaves out what is null.
  keyOf: ({ reporter, metadata, start_time }) =>
    openKey(reporter, keyOf({ thread_id: null, ...metadata }, start_time)),
});

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
