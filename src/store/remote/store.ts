/** The store of a server, asked through its MCP tools. */
import type { FigureRow, Question } from "../../model/analytics.ts";
import { type Clock, isoTime } from "../../model/clock.ts";
import {
  type Event,
  MAX_EVENT_BYTES,
  eventBytes,
  eventJson,
} from "../../model/event.ts";
import { COLUMNS, type Column } from "../../model/columns.ts";
import type { Command, CommandFilter } from "../../model/command.ts";
import { commandCursor, hitCursor, sessionCursor } from "../../model/cursor.ts";
import { Rejected } from "../../model/failure.ts";
import {
  type EventFilter,
  type SessionFilter,
  argumentsOf,
} from "../../model/filter.ts";
import type { Hit, SearchFilter } from "../../model/search.ts";
import {
  MAX_SERVED,
  type QueryAnswer,
  type QueryColumn,
  type QueryRequest,
  type QueryRow,
} from "../../model/query.ts";
import type { Session } from "../../model/session.ts";
import {
  EVENT_STATUSES,
  type EventResult,
  type SessionStats,
  type SessionStore,
  type StoredEvent,
} from "../../model/store.ts";
import { type Target, ToolClient } from "./client.ts";

/** What the server takes in one call: events, and bytes of them. */
const MAX_EVENTS = 1_000;
const MAX_BYTES = 1024 * 1024 - MAX_EVENT_BYTES;
/** Of a page; the server may send fewer. */
const PAGE_ROWS = 10_000;
/** The same of a search, whose first rows are there long before many are. */
const PAGE_HITS = 500;
/** How long the server may look through all that there is. */
const LOOK_MS = 600_000;
const MAX_LENGTHENED = 20;

/** The columns that an older server may lack. */
const UNTOLD = Object.fromEntries(
  Object.entries<Column>(COLUMNS).flatMap(([name, { nullable }]) =>
    nullable ? [[name, null]] : [],
  ),
);

const NOBODY = { username: null, hostname: null };
const UNRECORDED = { recording_ms: null, recording_line: null };

export class HttpStore implements SessionStore {
  private readonly client: ToolClient;

  /** @param notDrained see ToolClient */
  constructor(
    target: Target,
    notDrained?: (why: string) => void,
    private readonly now: Clock = Date.now,
  ) {
    this.client = new ToolClient(target, notDrained, now);
  }

  async append(events: readonly Event[]): Promise<ReadonlySet<string>> {
    const stored = new Set<string>();
    const rejected = new Map<string, string>();
    for (const batch of batches(events))
      for (const [i, { status, error }] of (
        await this.track(batch)
      ).entries()) {
        const { event_id } = batch[i]!;
        if (status === "stored") stored.add(event_id);
        else if (status === "rejected")
          rejected.set(event_id, error ?? "without a reason");
      }
    if (rejected.size > 0) throw new Rejected(rejected, stored);
    return stored;
  }

  async seen(signs: ReadonlyMap<string, string>): Promise<void> {
    const heartbeats = [...signs].map(([session_id, timestamp]): Event => ({
      event_version: "1.0",
      event_id: Bun.randomUUIDv7(),
      event_type: "heartbeat",
      session_id,
      timestamp,
    }));
    for (const batch of batches(heartbeats)) await this.track(batch);
  }

  private async track(events: Event[]): Promise<EventResult[]> {
    const sent_at = isoTime(this.now());
    const args = `{"sent_at":"${sent_at}","events":[${events.map(eventJson).join(",")}]}`;
    const { results } = (await this.client.call("track_events", args)) as {
      results?: EventResult[];
    };
    // Events leave the spool by this answer: each must have its own result.
    if (
      results?.length !== events.length ||
      !results.every(({ status }) => EVENT_STATUSES.includes(status))
    )
      throw this.client.notOurs("not every event has its result");
    return results;
  }

  async *list(filter: SessionFilter): AsyncIterable<Session> {
    const { limit, from, reverse, offset } = filter;
    const cursor = from && sessionCursor(from);
    const args = {
      ...argumentsOf(filter),
      ...(reverse && { reverse }),
      ...(offset && { offset }),
    };
    for await (const page of this.pages("list_sessions", args, cursor, limit))
      for (const session of (page as { sessions: Session[] }).sessions)
        yield { ...UNTOLD, ...session };
  }

  async *events({ limit, ...filter }: EventFilter): AsyncIterable<StoredEvent> {
    for await (const page of this.pages(
      "list_events",
      filter,
      undefined,
      limit,
    ))
      yield* (page as { events: StoredEvent[] }).events;
  }

  async *commands(filter: CommandFilter): AsyncIterable<Command> {
    const { limit, from, exit_code, in_since, ...rest } = filter;
    const args = {
      ...rest,
      ...(in_since !== undefined && { during: `${in_since}..` }),
      ...(exit_code !== undefined && { exit: exit_code }),
    };
    const cursor = from && commandCursor(from);
    for await (const page of this.pages("list_commands", args, cursor, limit))
      for (const command of (page as { commands: Command[] }).commands)
        // An older server does not tell who ran it.
        yield { ...NOBODY, ...command };
  }

  async *search({ limit, from, ...filter }: SearchFilter): AsyncIterable<Hit> {
    const cursor = from && hitCursor(from);
    for await (const page of this.pages(
      ...(["search", filter, cursor, limit, PAGE_HITS, LOOK_MS] as const),
    ))
      for (const hit of (page as { hits: Hit[] }).hits)
        // An older server has no recordings.
        yield { ...UNRECORDED, ...hit };
  }

  async query({ sql, timeout_ms }: QueryRequest): Promise<QueryAnswer> {
    const args = { sql, timeout_seconds: timeout_ms / 1_000 };
    const answer = (await this.client.call(
      "query_sessions",
      { ...args, limit: MAX_SERVED.rows },
      timeout_ms,
    )) as { columns: QueryColumn[]; rows: QueryRow[]; note: string | null };
    return {
      columns: answer.columns,
      rows: once(answer.rows),
      cut: () => answer.note !== null,
    };
  }

  private async *pages(
    tool: string,
    filter: object,
    cursor: string | undefined,
    limit = Infinity,
    rows = PAGE_ROWS,
    work_ms = 0,
  ): AsyncIterable<object> {
    for (let left = limit; left > 0;) {
      const args = {
        ...{ ...filter, limit: Math.min(left, rows) },
        ...(cursor === undefined ? {} : { cursor }),
      };
      const page = (await this.client.call(tool, args, work_ms)) as Page;
      yield page;
      if (page.next_cursor === null) return;
      cursor = page.next_cursor;
      left -= (page.sessions ?? page.events ?? page.commands ?? page.hits)!
        .length;
    }
  }

  async get(session_id: string): Promise<Session | null> {
    // Longer ids may begin with this one, hardly many.
    const filter = { reference: session_id, limit: MAX_LENGTHENED };
    for await (const session of this.list(filter))
      if (session.session_id === session_id) return session;
    return null;
  }

  async stats(filter: SessionFilter): Promise<SessionStats> {
    return (await this.client.call(
      "session_stats",
      argumentsOf(filter),
    )) as SessionStats;
  }

  async analytics({
    sessions,
    offsets,
    ...question
  }: Question): Promise<FigureRow[]> {
    const args = {
      ...question,
      ...argumentsOf(sessions),
      utc_offsets: offsets,
    };
    const answer = await this.client.call("analytics", args, LOOK_MS);
    return (answer as { rows: FigureRow[] }).rows;
  }

  async close(): Promise<void> {
    // Every call stands alone: nothing is held.
  }
}

async function* once<T>(all: readonly T[]): AsyncGenerator<T> {
  yield* all;
}

interface Page {
  sessions?: Session[];
  events?: StoredEvent[];
  commands?: Command[];
  hits?: Hit[];
  next_cursor: string | null;
}

/** Events in batches that one call takes. */
function* batches(events: readonly Event[]): Generator<Event[]> {
  let batch: Event[] = [];
  let bytes = 0;
  for (const event of events) {
    const size = eventBytes(event);
    if (
      batch.length === MAX_EVENTS ||
      (bytes > 0 && bytes + size > MAX_BYTES)
    ) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(event);
    bytes += size + 1;
  }
  if (batch.length > 0) yield batch;
}
