/**
 * Lists commands by their rows, newest first, a page after the other. Where a text is
 * looked for, time is walked through backwards in spans, so that the first come soon
 * and no statement looks through all there is.
 */
import { isoTime } from "../../model/clock.ts";
import {
  type Command,
  type CommandFilter,
  commandOf,
} from "../../model/command.ts";
import type { Connection } from "./connect.ts";
import {
  Conditions,
  IN_SINCE,
  type Query,
  TIME,
  contains,
  equals,
  within,
} from "./filters.ts";
import { Spans } from "./spans.ts";
import { decoded, small, timeOf } from "./text.ts";

/** Commands that one query reads. */
const PAGE = 1_000;

type From = NonNullable<CommandFilter["from"]>;

/** The newest first; the batches are numbered by the caller. */
export async function* listCommands(
  connection: Connection,
  filter: CommandFilter,
): AsyncGenerator<Command> {
  const { in_since, ...rest } = filter;
  if (in_since === undefined) return yield* begun(connection, filter);
  let left = filter.limit ?? Infinity;
  const after = [in_since, rest.after ?? ""].sort().at(-1)!;
  for await (const command of begun(connection, { ...rest, after })) {
    left--;
    yield command;
  }
  const before = [in_since, filter.before ?? in_since].sort()[0]!;
  if (left > 0 && !(filter.after! >= before))
    yield* pages({ ...filter, before }, left, (part, rows) =>
      read(connection, runningQuery({ ...part, in_since }, rows)),
    );
}

/** Those that began then. */
async function* begun(
  connection: Connection,
  filter: CommandFilter,
): AsyncGenerator<Command> {
  const some =
    (connection: Connection) => async (part: CommandFilter, rows: number) => {
      const near = isOfSessions(part)
        ? await read(connection, begunQuery(part, rows, true))
        : [];
      if (near.length === rows) return near;
      return read(connection, begunQuery(part, rows, false));
    };
  let left = filter.limit ?? Infinity;
  if (filter.text === undefined || filter.session_id !== undefined)
    return yield* pages(filter, left, some(connection));
  const spans = await Spans.of(connection, filter, ["commands"]);
  for (let span; left > 0 && (span = await spans.next());) {
    const [since, until] = span.map(isoTime);
    const part = { ...filter, after: since!, before: until! };
    for await (const command of pages(part, left, some(spans))) {
      left--;
      yield command;
    }
  }
}

/** @param limit of all */
async function* pages(
  filter: CommandFilter,
  limit: number,
  read: (filter: CommandFilter, rows: number) => Promise<Command[]>,
): AsyncGenerator<Command> {
  const text = filter.text && small(filter.text.toWellFormed());
  let { from } = filter;
  for (let left = limit; left > 0;) {
    const rows = Math.min(left, PAGE);
    const page = await read({ ...filter, ...(from && { from }) }, rows);
    for (const command of page) {
      // As it is stored a text may have what it has not as it was recorded.
      if (text && !small(command.text ?? "").includes(text)) continue;
      left--;
      yield command;
    }
    if (page.length < rows) return;
    from = page.at(-1)! as From;
  }
}

const NUMBER = "b.seq + c.ordinal";
const NEWEST = `c.start_time DESC, ${NUMBER} DESC`;

const COLUMNS = `(${NUMBER})::float8 AS event_seq, c.session_id, c.start_time,
  c.pid::float8, c.seq::float8, c.depth, c.text, c.text_base64,
  c.truncated_bytes, c.cwd, c.mark, c.ended_at, c.exit_code,
  c.pipe_status::text, c.duration_ms, s.username, s.hostname,
  s.end_time AS session_end`;

const FROM = `commands AS c JOIN batches AS b ON b.batch = c.batch
  LEFT JOIN sessions AS s ON s.session_id = c.session_id
    AND s.start_time IS NOT NULL`;

/** What a filter says of a command and of its session, and where a page begins. */
function conditionsOf(filter: CommandFilter): Conditions {
  const conditions = new Conditions();
  conditions.always("b.seq IS NOT NULL");
  conditions.add("c.session_id = ?::text", filter.session_id);
  conditions.add(`c.start_time >= ${TIME}`, filter.after);
  conditions.add(`c.start_time < ${TIME}`, filter.before);
  conditions.add(contains("c.text"), filter.text);
  conditions.add(within("c.cwd"), filter.cwd);
  conditions.add(equals("s.username"), filter.user);
  conditions.add(equals("s.hostname"), filter.host);
  conditions.add(equals("s.component_name"), filter.component);
  if (filter.failed) conditions.always("c.exit_code <> 0");
  conditions.add("c.exit_code = ?::integer", filter.exit_code);
  if (filter.from) {
    const { start_time, event_seq } = filter.from;
    const time = TIME.replace("?", conditions.parameter(start_time));
    const number = `${conditions.parameter(event_seq)}::bigint`;
    // The first is what an index is read by.
    conditions.always(
      `c.start_time <= ${time} AND (c.start_time < ${time}
        OR ${NUMBER} < ${number})`,
    );
  }
  return conditions;
}

const isOfSessions = ({ user, host, component }: CommandFilter): boolean =>
  (user ?? host ?? component) !== undefined;

/**
 * How many commands are looked through for those of some sessions. Whether these are
 * had sooner by their sessions the database cannot tell: it does not know how many of
 * a user or a host are of late.
 */
const NEAR = 20_000;

/** @param near only among so many that come first */
function begunQuery(filter: CommandFilter, rows: number, near: boolean): Query {
  const conditions = conditionsOf(filter);
  if (near) {
    const first = new Conditions(conditions.values);
    first.add(`c.start_time <= ${TIME}`, filter.from?.start_time);
    first.add(`c.start_time < ${TIME}`, filter.before);
    conditions.always(`c.start_time >= coalesce((
      SELECT c.start_time FROM commands AS c ${first.where}
      ORDER BY c.start_time DESC OFFSET ${NEAR} LIMIT 1), '-infinity')`);
  } else if (isOfSessions(filter)) {
    const sessions = new Conditions(conditions.values);
    sessions.add(equals("s.username"), filter.user);
    sessions.add(equals("s.hostname"), filter.host);
    sessions.add(equals("s.component_name"), filter.component);
    conditions.always(`c.session_id IN (SELECT s.session_id FROM sessions AS s
      ${sessions.where} AND s.start_time IS NOT NULL OFFSET 0)`);
  }
  const sql = `SELECT ${COLUMNS} FROM ${FROM} ${conditions.where}
    ORDER BY ${NEWEST} LIMIT ${conditions.parameter(rows)}::bigint`;
  return { sql, values: conditions.values };
}

/** Longer ones have an index of their own. */
const LONG = "interval '1 hour'";

/**
 * Those that began before a time, and ran on when it came: of the hour before it, of
 * the few that are longer, and those without an end of sessions without one by then.
 */
function runningQuery(
  filter: CommandFilter & { in_since: string },
  rows: number,
): Query {
  const conditions = conditionsOf(filter);
  // No session that had ended by then is looked at.
  conditions.add(IN_SINCE, filter.in_since);
  const since = TIME.replace("?", conditions.parameter(filter.in_since));
  conditions.always(`s.start_time < ${since}`);
  const limit = `${conditions.parameter(rows)}::bigint`;
  const parts = [
    `c.start_time >= ${since} - ${LONG} AND c.ended_at >= ${since}`,
    `c.start_time < ${since} - ${LONG} AND c.ended_at >= ${since}
      AND c.ended_at - c.start_time > ${LONG}`,
    "c.ended_at IS NULL",
  ];
  const each = parts.map(
    (part) => `(SELECT ${COLUMNS} FROM ${FROM} ${conditions.where} AND ${part}
      ORDER BY ${NEWEST} LIMIT ${limit})`,
  );
  const sql = `SELECT * FROM (${each.join(" UNION ALL ")}) AS c
    ORDER BY start_time DESC, event_seq DESC LIMIT ${limit}`;
  return { sql, values: conditions.values };
}

interface Row {
  event_seq: number;
  session_id: string;
  start_time: Date;
  pid: number | null;
  seq: number | null;
  depth: number | null;
  text: string | null;
  text_base64: string | null;
  truncated_bytes: number | null;
  cwd: string | null;
  mark: string | null;
  ended_at: Date | null;
  exit_code: number | null;
  pipe_status: string | null;
  duration_ms: number | null;
  username: string | null;
  hostname: string | null;
  session_end: Date | null;
}

async function read(
  connection: Connection,
  { sql, values }: Query,
): Promise<Command[]> {
  return (await connection.ask<Row>(sql, values)).map(commandIn);
}

function commandIn(row: Row): Command {
  const { event_seq, pid, seq, depth, truncated_bytes, exit_code } = row;
  const { text_base64, duration_ms } = row;
  const started = {
    session_id: decoded(row.session_id),
    timestamp: timeOf(row.start_time),
    ...(pid !== null && { pid }),
    ...(seq !== null && { seq }),
    ...{ depth, text: decoded(row.text), cwd: decoded(row.cwd) },
    ...(text_base64 !== null && { text_base64: decoded(text_base64) }),
    ...(truncated_bytes !== null && { truncated_bytes }),
    mark: decoded(row.mark),
  };
  const ended = row.ended_at && {
    ...{ timestamp: timeOf(row.ended_at), exit_code, duration_ms },
    pipe_status: row.pipe_status === null ? null : numbersIn(row.pipe_status),
  };
  return commandOf(event_seq, started, ended, {
    username: decoded(row.username),
    hostname: decoded(row.hostname),
    session_end: timeOf(row.session_end),
  });
}

/** As PostgreSQL writes a list. */
const numbersIn = (list: string): number[] =>
  list === "{}" ? [] : list.slice(1, -1).split(",").map(Number);
