/**
 * Begins sessions, of which those that may collide are begun one after the other. The
 * conversations that go on are kept in memory, read once: nobody else has the file open.
 */
import type { Event, SessionStart } from "../../model/event.ts";
import { KeyedMutex } from "../../model/mutex.ts";
import { type Provenance, reporterOf } from "../../model/reporter.ts";
import type { Session } from "../../model/session.ts";
import type { Begun, Conversation, ServedStore } from "../../model/store.ts";
import { mayHave } from "../beginning.ts";
import type { Database } from "./database.ts";
import { SQL } from "./statements.ts";
import type { Writer } from "./writer.ts";

const SPARE_ROOM = 10_000;

export interface Begins extends Pick<ServedStore, "append" | "summary"> {
  /** Sessions of channels that have not ended, newest first. */
  channels(): Promise<Session[]>;
}

export class Beginnings {
  private readonly mutex = new KeyedMutex();
  /** Sessions of conversations that go on, by what they are known by. */
  private open: Promise<Map<string, string>> | null = null;
  /** How many may be held before it is read anew which have lapsed. */
  private room = 0;

  constructor(
    private readonly db: Database,
    private readonly writer: Writer,
    private readonly store: Begins,
  ) {}

  /** See ServedStore.begin. */
  begin(
    start: SessionStart,
    ids: readonly string[],
    from: Provenance,
    conversation?: Conversation,
  ): Promise<Begun> {
    // Ids that may collide are the same from the first on.
    const key = conversation?.keys[0] ?? ids[0]!;
    return this.mutex.run(key, async () => {
      // One that was stored before has begun a session, whatever this one says.
      const known = await this.sessionOf(start, from);
      if (known !== null) return { session_id: known, how: "known" };
      const going = conversation && (await this.going(conversation));
      if (going) return { session_id: going, how: "going" };
      const session_id = await this.freeId(start, ids, from);
      await this.store.append([{ ...start, session_id }], from);
      if (conversation) {
        const open = await this.loaded(conversation);
        open.set(key, session_id);
        if (open.size > this.room) this.open = null;
      }
      return { session_id, how: "new" };
    });
  }

  private async freeId(
    start: SessionStart,
    ids: readonly string[],
    from: Provenance,
  ): Promise<string> {
    for (const id of ids)
      if (mayHave(start, await this.store.summary(id), from)) return id;
    throw new Error(`no free session id for event ${start.event_id}`);
  }

  /** See ServedStore.going; another way may have ended one. */
  async going(conversation: Conversation): Promise<string | null> {
    const open = await this.loaded(conversation);
    for (const key of conversation.keys) {
      const session_id = open.get(key);
      if (session_id === undefined) continue;
      const session = await this.store.summary(session_id);
      if (session && !session.ended) return session_id;
      open.delete(key);
    }
    return null;
  }

  /** See ServedStore.sessionOf. */
  async sessionOf(event: Event, from: Provenance): Promise<string | null> {
    const { event_id, event_type, timestamp } = event;
    const times = this.writer.timesOf(event_id, timestamp);
    if (times.length === 0) return null;
    const found = await this.db.ask<{ id: string; provenance: string | null }>(
      SQL.sessionsOfEvent,
      [event_id, event_type, times[0]!, times.at(-1)!],
    );
    const by = reporterOf(from);
    const own = found.find(({ provenance }) => {
      const brought = provenance && (JSON.parse(provenance) as Provenance);
      return [by, null].includes(reporterOf(brought || null));
    });
    return own?.id ?? null;
  }

  private loaded(of: Conversation): Promise<Map<string, string>> {
    return (this.open ??= this.load(of).catch((error: unknown) => {
      this.open = null;
      throw error;
    }));
  }

  private async load({ keyOf }: Conversation): Promise<Map<string, string>> {
    const open = new Map<string, string>();
    // Newest first: of two under one key the newer counts.
    for (const session of (await this.store.channels()).reverse())
      open.set(keyOf(session), session.session_id);
    this.room = 2 * open.size + SPARE_ROOM;
    return open;
  }
}
