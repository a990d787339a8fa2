/**
 * A store that outlives the one behind it: when the server that it asks goes
 * away, it opens whatever is nearest then and goes on where it was. Everything
 * asked may be asked again: reads change nothing, appends are idempotent.
 */
import type { Event } from "../model/event.ts";
import { Failure } from "../model/failure.ts";
import type { EventFilter, SessionFilter } from "../model/filter.ts";
import type { Session } from "../model/session.ts";
import type {
  SessionStats,
  SessionStore,
  StoredEvent,
} from "../model/store.ts";

/** A server that was killed holds its lock a moment longer than its socket. */
const LOOK_MS = 15;

/** A store, and how to let go of it and of all that it needs. */
export interface Opened {
  store: SessionStore;
  /** Has its server drain the spool here; none where that is done by opening it. */
  drain?(): Promise<void>;
  close(): Promise<void>;
}

export class SwitchingStore implements SessionStore {
  private behind: Opened | null = null;

  /**
   * @param open the nearest store at the moment
   * @param patience_ms how long one after the other may go away before that is
   *   the answer
   */
  constructor(
    private readonly open: () => Promise<Opened>,
    private readonly patience_ms: number,
  ) {}

  /** Brings what the spool holds to the store. */
  drain(): Promise<void> {
    return this.ask(async () => this.behind!.drain?.());
  }

  append(events: readonly Event[]): Promise<ReadonlySet<string>> {
    return this.ask((store) => store.append(events));
  }

  seen(signs: ReadonlyMap<string, string>): Promise<unknown> {
    return this.ask((store) => store.seen(signs));
  }

  get(session_id: string): Promise<Session | null> {
    return this.ask((store) => store.get(session_id));
  }

  stats(filter: SessionFilter): Promise<SessionStats> {
    return this.ask((store) => store.stats(filter));
  }

  list(filter: SessionFilter): AsyncIterable<Session> {
    return this.stream(
      filter,
      (store, rest) => store.list(rest),
      ({ start_time, session_id }) => ({ from: { start_time, session_id } }),
    );
  }

  events(filter: EventFilter): AsyncIterable<StoredEvent> {
    return this.stream(
      filter,
      (store, rest) => store.events(rest),
      ({ seq }) => ({ after_seq: seq }),
    );
  }

  async close(): Promise<void> {
    const { behind } = this;
    this.behind = null;
    await behind?.close();
  }

  private async ask<T>(use: (store: SessionStore) => Promise<T>): Promise<T> {
    let failing_since: number | null = null;
    for (;;)
      try {
        return await use(await this.store());
      } catch (error) {
        failing_since ??= performance.now();
        await this.letGo(error, failing_since);
      }
  }

  /** @param after the part of a filter that leaves out a row and all before it */
  private async *stream<T, F extends { limit?: number }>(
    filter: F,
    read: (store: SessionStore, filter: F) => AsyncIterable<T>,
    after: (row: T) => Partial<F>,
  ): AsyncIterable<T> {
    let rest = filter;
    let failing_since: number | null = null;
    for (;;)
      try {
        for await (const row of read(await this.store(), rest)) {
          yield row;
          failing_since = null;
          rest = { ...rest, ...after(row) };
          if (rest.limit !== undefined)
            rest = { ...rest, limit: rest.limit - 1 };
        }
        return;
      } catch (error) {
        failing_since ??= performance.now();
        await this.letGo(error, failing_since);
        if (rest.limit === 0) return;
      }
  }

  private async store(): Promise<SessionStore> {
    return (this.behind ??= await this.open()).store;
  }

  /** Forgets a store that went away; any other failure is the answer. */
  private async letGo(error: unknown, failing_since: number): Promise<void> {
    const gone = error instanceof Failure && error.code === "unreachable";
    const failing_ms = performance.now() - failing_since;
    if (!gone || failing_ms >= this.patience_ms) throw error;
    await this.close();
    await Bun.sleep(LOOK_MS);
  }
}
