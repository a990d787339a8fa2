/**
 * Failover: when the server that it asks goes away, the store opens the nearest one
 * then, and goes on where it was. Every call may be repeated: appends are idempotent.
 */
import type { FigureRow, Question } from "../model/analytics.ts";
import type { Command, CommandFilter } from "../model/command.ts";
import type { Event } from "../model/event.ts";
import { Failure } from "../model/failure.ts";
import type { EventFilter, SessionFilter } from "../model/filter.ts";
import { type Hit, type SearchFilter, placeOfHit } from "../model/search.ts";
import type { QueryAnswer, QueryRequest } from "../model/query.ts";
import type { Session } from "../model/session.ts";
import type {
  SessionStats,
  SessionStore,
  StoredEvent,
} from "../model/store.ts";

/** A killed server holds its lock a moment longer than its socket. */
const POLL_MS = 15;

export interface Opened {
  store: SessionStore;
  /** Makes the server drain the spool; none where opening the store does. */
  drain?(): Promise<void>;
  close(): Promise<void>;
}

export class SwitchingStore implements SessionStore {
  private behind: Opened | null = null;

  /**
   * @param open opens the nearest store
   * @param patience_ms how long stores may be unreachable before that is the answer
   */
  constructor(
    private readonly open: () => Promise<Opened>,
    private readonly patience_ms: number,
  ) {}

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

  analytics(question: Question): Promise<FigureRow[]> {
    return this.ask((store) => store.analytics(question));
  }

  query(request: QueryRequest): Promise<QueryAnswer> {
    return this.ask((store) => store.query(request));
  }

  list(filter: SessionFilter): AsyncIterable<Session> {
    return this.stream(
      filter,
      (store, rest) => store.list(rest),
      ({ start_time, session_id }) => ({
        from: { start_time, session_id },
        offset: 0,
      }),
    );
  }

  events(filter: EventFilter): AsyncIterable<StoredEvent> {
    return this.stream(
      filter,
      (store, rest) => store.events(rest),
      ({ seq }) => ({ after_seq: seq }),
    );
  }

  commands(filter: CommandFilter): AsyncIterable<Command> {
    return this.stream(
      filter,
      (store, rest) => store.commands(rest),
      ({ start_time, event_seq }) => ({ from: { start_time, event_seq } }),
    );
  }

  search(filter: SearchFilter): AsyncIterable<Hit> {
    return this.stream(
      filter,
      (store, rest) => store.search(rest),
      (hit) => ({ from: placeOfHit(hit) }),
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

  /** @param after the filter of all rows after a row */
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

  /** Closes a store that went away; throws any other failure. */
  private async letGo(error: unknown, failing_since: number): Promise<void> {
    const gone = error instanceof Failure && error.code === "unreachable";
    const failing_ms = performance.now() - failing_since;
    if (!gone || failing_ms >= this.patience_ms) throw error;
    await this.close();
    await Bun.sleep(POLL_MS);
  }
}
