/**
 * The tools that read: the same rows as the command line's JSON, a page at a
 * time. A page ends early where it grows too large for one answer.
 */
import type { JsonObject } from "../../model/event.ts";
import {
  eventCursor,
  readEventCursor,
  readSessionCursor,
  sessionCursor,
} from "../../model/cursor.ts";
import { Failure } from "../../model/failure.ts";
import {
  type EventFilter,
  type SessionFilter,
  parseTime,
} from "../../model/filter.ts";
import { isSessionId } from "../../model/id.ts";
import { sessionJson } from "../../model/json.ts";
import { findSession, noSession } from "../../model/reference.ts";
import { remarksOn } from "../../model/remarks.ts";
import { STATUSES, type Session } from "../../model/session.ts";
import type { SessionStore } from "../../model/store.ts";
import { localZone } from "../../os/zone.ts";
import { SCOPES } from "./channels.ts";
import { type Args, DEFAULT_ROWS, MAX_CHANNEL_ROWS } from "./fields.ts";
import { Rules } from "./rules.ts";

/** Of the rows of one page, as JSON. */
const MAX_PAGE_CHARS = 4 * 1024 * 1024;
const MAX_COMMANDS = 1_000;
const DEFAULT_CHANNEL_ROWS = 20;
/** Of the name of a kind of channel, in characters. */
const MAX_TYPE = 200;
/** Read at a time; what the filter of a channel leaves of it is fewer. */
const CHANNEL_PAGE = 500;

export class Reading {
  constructor(private readonly store: SessionStore) {}

  async sessions({ cursor, limit, ...rest }: Args<"list_sessions">) {
    const filter = sessionFilter(rest);
    if (cursor !== undefined) filter.from = readSessionCursor(cursor);
    const max = limit ?? DEFAULT_ROWS;
    const { rows, more } = await page(
      this.store.list({ ...filter, limit: max + 1 }),
      max,
      sessionJson,
    );
    const last = rows.at(-1) as { start_time: string; session_id: string };
    return {
      sessions: rows,
      count: rows.length,
      next_cursor: more ? sessionCursor(last) : null,
    };
  }

  async session({ session_id }: Args<"get_session">) {
    const session = await this.find(session_id);
    return {
      ...sessionJson(session),
      commands: await this.commands(session.session_id),
      remarks: await remarksOn(this.store, session),
    };
  }

  async events(args: Args<"list_events">) {
    const { cursor, limit, session_id, kinds } = args;
    const filter: EventFilter = times(args);
    if (session_id !== undefined)
      filter.session_id = await this.idOf(session_id);
    if (kinds !== undefined) filter.kinds = kinds;
    const seqs = [args.after_seq, cursor && readEventCursor(cursor)];
    const after = seqs.filter((seq) => typeof seq === "number");
    if (after.length > 0) filter.after_seq = Math.max(...after);
    const max = limit ?? DEFAULT_ROWS;
    const { rows, more } = await page(
      this.store.events({ ...filter, limit: max + 1 }),
      max,
      (event) => event,
    );
    return {
      events: rows,
      count: rows.length,
      next_cursor: more ? eventCursor(rows.at(-1)!.seq) : null,
    };
  }

  stats(args: Args<"session_stats">) {
    return this.store.stats(sessionFilter(args));
  }

  /** What is wrong with its arguments is the tool's own answer. */
  async channelSessions(args: Args<"get_channel_sessions">): Promise<object> {
    const rules = new Rules();
    const { limit = DEFAULT_CHANNEL_ROWS, component_name } = args;
    rules.number("limit", limit, 1, MAX_CHANNEL_ROWS);
    const status = args.status && rules.word("status", args.status, STATUSES);
    if (args.session_scope !== undefined)
      rules.word("session_scope", args.session_scope, SCOPES);
    rules.length("channel_type", args.channel_type ?? "any", 1, MAX_TYPE);
    try {
      rules.check();
    } catch (error) {
      return { status: "error", error: (error as Failure).message };
    }
    const filter: SessionFilter = {
      session_type: "channel",
      limit: CHANNEL_PAGE,
      ...(status && { status }),
      ...(component_name !== undefined && { component_name }),
      ...(args.sender_id !== undefined && { username: args.sender_id }),
    };
    const sessions: object[] = [];
    for (let whole = true; whole && sessions.length < limit;) {
      const page = await Array.fromAsync(this.store.list(filter));
      whole = page.length === CHANNEL_PAGE;
      if (whole) filter.from = page.at(-1)!;
      for (const session of page)
        if (sessions.length < limit && isOn(session, args))
          sessions.push(channelRow(session));
    }
    return {
      status: "success",
      count: sessions.length,
      sessions,
      queried_at: new Date().toISOString(),
    };
  }

  /** @throws Failure (not_found, ambiguous) naming the next step */
  private async find(reference: string): Promise<Session> {
    const found = await findSession(this.store, reference);
    if (found) return found;
    throw noSession(reference, "list_sessions shows which there are");
  }

  /** A whole id as it is: events may have come whose session has not begun. */
  private async idOf(reference: string): Promise<string> {
    if (isSessionId(reference)) return reference;
    return (await this.find(reference)).session_id;
  }

  /** The newest of a session's commands, newest last. */
  private async commands(session_id: string): Promise<object[]> {
    const kinds = ["command_start", "command_end"];
    const kept: { event: object; chars: number }[] = [];
    let chars = 0;
    for await (const { event } of this.store.events({ session_id, kinds })) {
      const length = JSON.stringify(event).length;
      kept.push({ event, chars: length });
      chars += length;
      while (kept.length > MAX_COMMANDS || chars > MAX_PAGE_CHARS)
        chars -= kept.shift()!.chars;
    }
    return kept.map(({ event }) => event);
  }
}

/** The first rows of some, as far as they fit into one answer. */
async function page<T, Row extends object>(
  all: AsyncIterable<T>,
  max: number,
  shape: (item: T) => Row,
): Promise<{ rows: Row[]; more: boolean }> {
  const rows: Row[] = [];
  let chars = 0;
  let more = false;
  for await (const item of all) {
    // Read to its end: a query that is left halfway holds on to the database.
    if (more) continue;
    const row = shape(item);
    chars += JSON.stringify(row).length;
    more = rows.length === max || chars > MAX_PAGE_CHARS;
    // One row alone always fits: an event is bounded.
    if (rows.length === 0) more = false;
    if (!more) rows.push(row);
  }
  return { rows, more };
}

type FilterArgs = Args<"session_stats">;

function sessionFilter(args: FilterArgs): SessionFilter {
  const { reference, type, component, user, name, status, incomplete } = args;
  const { reporter, attested } = args;
  return {
    ...(reference !== undefined && { reference }),
    ...(type !== undefined && { session_type: type }),
    ...(component !== undefined && { component_name: component }),
    ...(user !== undefined && { username: user }),
    ...(name !== undefined && { name }),
    ...(reporter !== undefined && { reporter }),
    ...(attested !== undefined && { attested }),
    ...(status !== undefined && { status }),
    ...(incomplete !== undefined && { incomplete }),
    ...times(args),
  };
}

function times(args: {
  after?: string | undefined;
  before?: string | undefined;
}): { after?: string; before?: string } {
  const { after, before } = args;
  return {
    ...(after !== undefined && { after: time("after", after) }),
    ...(before !== undefined && { before: time("before", before) }),
  };
}

/** @throws Failure (refused) naming the field */
function time(field: string, text: string): string {
  try {
    return parseTime(text, Date.now(), localZone(process.env)).toISOString();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { sentence, hint } = error;
    throw new Failure("refused", `${field}: ${sentence}`, hint);
  }
}

const CHANNEL_FILTERS = [
  "channel_type",
  "channel_id",
  "sender_id",
  "session_scope",
  "thread_id",
  "workspace",
  "platform",
] as const;
const CHANNEL_FACTS = [
  ...CHANNEL_FILTERS,
  "message_preview",
  "message_count",
] as const;

/** Whether a conversation is on the channel that was asked for. */
const isOn = ({ metadata }: Session, asked: Args<"get_channel_sessions">) =>
  CHANNEL_FILTERS.every(
    (name) => asked[name] === undefined || metadata[name] === asked[name],
  );

function channelRow(session: Session): object {
  const facts: JsonObject = {};
  for (const name of CHANNEL_FACTS)
    facts[name] = session.metadata[name] ?? null;
  return { ...facts, ...sessionJson(session) };
}
