/**
 * Commands out of the events of their starts and ends, joined as they are read.
 */
import type { DuckDBValue } from "@duckdb/node-api";
import {
  type Command,
  type CommandFilter,
  type CommandSession,
  commandOf,
} from "../../model/command.ts";
import type { CommandEnd, CommandStart } from "../../model/event.ts";
import { isoTime } from "../../model/clock.ts";
import type { Database } from "./database.ts";
import { FIRST_SPAN_MS, LEAST_SPAN_MS, LONGER, bounds } from "./spans.ts";
import {
  Conditions,
  IN_SINCE,
  type Query,
  contains,
  within,
} from "./queries.ts";
import { EVENT_COLUMNS, time } from "./statements.ts";

/** What the start and the end of a command have in common, if who tells of them says. */
const SHELLED = "json_extract(e.payload, '$.shell_started_us') IS NOT NULL";
const KEY = `concat_ws(' ', e.session_id, json_extract_string(e.payload, '$.pid'),
  json_extract_string(e.payload, '$.seq'),
  json_extract_string(e.payload, '$.shell_started_us'))`;

/** The end of a command is what follows its start there, and is an end. */
const STARTS_FIRST = `ORDER BY
  CASE WHEN NOT e.shelled THEN e.timestamp END, e.kind DESC, e.timestamp`;

/** Older versions took anything for one. */
const EXIT = "try_cast(json_extract_string(e.ended, '$.exit_code') AS INTEGER)";

const NEWEST_FIRST = "e.timestamp DESC, e.seq DESC";

/** A span that had so many is followed by a shorter one, with fewer by a longer one. */
const MANY = 131_072;
const FEW = 16_384;

/** The newest first. */
export async function* listCommands(
  db: Database,
  filter: CommandFilter,
): AsyncGenerator<Command> {
  const { in_since, ...rest } = filter;
  if (in_since === undefined) return yield* begun(db, filter);
  let left = filter.limit ?? Infinity;
  const after = [in_since, rest.after ?? ""].sort().at(-1)!;
  for await (const command of begun(db, { ...rest, after })) {
    left--;
    yield command;
  }
  if (left > 0) yield* begunBefore(db, { ...filter, in_since }, left);
}

/** Those that ran on when a time came; no session that had ended is looked at. */
async function* begunBefore(
  db: Database,
  filter: CommandFilter & { in_since: string },
  limit: number,
): AsyncGenerator<Command> {
  const { in_since } = filter;
  const [row] = await db.ask<{ first: string | null }>(
    `SELECT ${time("min(s.start_time)", "first")} FROM all_sessions AS s
      WHERE s.start_time < $1::TIMESTAMP AND ${IN_SINCE.replaceAll("?", "$1")}`,
    [in_since],
  );
  if (row!.first === null) return;
  const after = [row!.first, filter.after ?? ""].sort().at(-1)!;
  const before = [in_since, filter.before ?? in_since].sort()[0]!;
  if (after >= before) return;
  yield* found(db, {
    ...{ ...filter, after, before },
    ...(limit < Infinity && { limit }),
  });
}

/** Those that began then; of all sessions a span of time after the other. */
async function* begun(
  db: Database,
  filter: CommandFilter,
): AsyncGenerator<Command> {
  if (filter.session_id !== undefined) return yield* found(db, filter);
  const [first, last] = await bounds(db.ask, filter);
  const { from, limit } = filter;
  let left = limit ?? Infinity;
  let until_ms = from ? Math.min(last, Date.parse(from.start_time) + 1) : last;
  let span_ms = FIRST_SPAN_MS;
  while (until_ms > first && left > 0) {
    const since_ms = Math.max(first, until_ms - span_ms);
    let many = 0;
    for await (const command of found(db, {
      ...filter,
      ...{ after: isoTime(since_ms), before: isoTime(until_ms) },
      ...(limit !== undefined && { limit: left }),
    })) {
      many++;
      yield command;
    }
    left -= many;
    until_ms = since_ms;
    if (many < FEW) span_ms *= LONGER;
    else if (many > MANY) span_ms = Math.max(LEAST_SPAN_MS, span_ms / LONGER);
  }
}

async function* found(
  db: Database,
  filter: CommandFilter,
): AsyncGenerator<Command> {
  const { sql, values } = commandsQuery(filter);
  for await (const row of db.read<CommandRow>(sql, values))
    yield commandIn(row);
}

/** Where they are looked for: of a database that is new to us columns take long to make. */
export const tableOf = ({ text, cwd }: CommandFilter) =>
  text === undefined && cwd === undefined ? "events" : EVENT_COLUMNS;

function commandsQuery(filter: CommandFilter): Query {
  const starts = new Conditions();
  starts.always("e.kind = 'command_start'");
  starts.add("e.session_id = ?", filter.session_id);
  starts.add("e.timestamp >= ?::TIMESTAMP", filter.after);
  starts.add("e.timestamp < ?::TIMESTAMP", filter.before);
  starts.add(contains("e.text"), filter.text);
  starts.add(within("e.cwd"), filter.cwd);
  const sessions = new Conditions(starts.values);
  sessions.add("s.username = ?", filter.user);
  sessions.add("s.hostname = ?", filter.host);
  sessions.add("s.component_name = ?", filter.component);
  sessions.add(IN_SINCE, filter.in_since);
  // All that began after it are in since then.
  sessions.add("s.start_time < ?::TIMESTAMP", filter.in_since);
  if (sessions.where)
    starts.always(
      `e.session_id IN (SELECT s.session_id FROM all_sessions AS s ${sessions.where})`,
    );
  if (filter.from) {
    const { start_time, event_seq } = filter.from;
    const before = starts.parameter(start_time);
    const number = starts.parameter(BigInt(event_seq));
    starts.always(
      `(e.timestamp, e.seq) < (${before}::TIMESTAMP, ${number}::BIGINT)`,
    );
  }
  const { where } = starts;
  const ends = new Conditions(starts.values);
  ends.add(
    "(coalesce(e.ended_at, closed.end_time) >= ?::TIMESTAMP OR (e.ended_at IS NULL AND closed.end_time IS NULL))",
    filter.in_since,
  );
  const exits = [
    ...ends.all,
    filter.failed && `${EXIT} <> 0`,
    filter.exit_code !== undefined &&
      `${EXIT} = ${starts.parameter(filter.exit_code)}::INTEGER`,
  ].filter(Boolean);
  const limit = starts.optional("LIMIT ?", filter.limit);
  // Few are looked at, unless it is their ends that pick them.
  const picked = exits.length > 0 ? "" : limit;
  // One pass over what is told of those sessions: a join by text took a minute for
  // a hundred thousand. Of a clock that was set back by more an end may be missed.
  const sql = `
    WITH picked AS (
      SELECT e.seq, e.session_id, e.timestamp
      FROM ${tableOf(filter)} AS e ${where} ORDER BY ${NEWEST_FIRST} ${picked}),
    told AS (
      SELECT e.seq, e.session_id, e.timestamp, e.kind, e.payload,
        ${KEY} AS key, ${SHELLED} AS shelled
      FROM events AS e
      WHERE e.kind IN ('command_start', 'command_end')
        AND e.session_id IN (SELECT session_id FROM picked)
        AND e.timestamp >= (SELECT min(timestamp) FROM picked) - INTERVAL 1 HOUR),
    paired AS (
      SELECT e.*, CASE WHEN lead(e.kind) OVER told = 'command_end'
        THEN lead(e.payload) OVER told END AS ended,
        CASE WHEN lead(e.kind) OVER told = 'command_end'
        THEN lead(e.timestamp) OVER told END AS ended_at
      FROM told AS e WINDOW told AS (PARTITION BY e.key ${STARTS_FIRST})),
    closed AS (
      SELECT session_id, end_time, username, hostname FROM all_sessions
      WHERE session_id IN (SELECT session_id FROM picked))
    SELECT e.seq::DOUBLE AS event_seq, e.payload AS started, e.ended,
      ${time("closed.end_time", "session_end")}, closed.username, closed.hostname
    FROM paired AS e LEFT JOIN closed ON closed.session_id = e.session_id
    WHERE e.kind = 'command_start' AND e.seq IN (SELECT seq FROM picked)
      ${exits.map((exit) => `AND ${exit}`).join(" ")}
    ORDER BY ${NEWEST_FIRST} ${limit}`;
  return { sql, values: starts.values };
}

/** Some commands by the events of their starts. */
export interface Starts {
  seqs: DuckDBValue;
  session_ids: DuckDBValue;
  /** The earliest of them. */
  since: string;
  /** The latest end of their sessions; null while one has not ended. */
  until: string | null;
}

/** The exit statuses of some commands: `seq` of the start, and `exit_code`. */
export function endsQuery(starts: Starts): Query {
  const some = new Conditions();
  const seqs = some.parameter(starts.seqs);
  some.add("e.session_id IN (SELECT unnest(?::VARCHAR[]))", starts.session_ids);
  some.add("e.timestamp >= ?::TIMESTAMP - INTERVAL 1 HOUR", starts.since);
  some.add(
    "e.timestamp <= ?::TIMESTAMP + INTERVAL 1 HOUR",
    starts.until ?? undefined,
  );
  const sql = `
    SELECT e.seq::DOUBLE AS seq, e.exit_code FROM (
      SELECT e.seq, CASE WHEN lead(e.kind) OVER told = 'command_end'
        THEN lead(e.exit_code) OVER told END AS exit_code
      FROM (SELECT *, shell_started_us IS NOT NULL AS shelled
        FROM event_columns) AS e
      WHERE e.kind IN ('command_start', 'command_end')
        AND ${some.all.join(" AND ")}
      WINDOW told AS (PARTITION BY e.session_id, e.pid, e.command_seq,
        e.shell_started_us ${STARTS_FIRST})) AS e
    WHERE e.seq IN (SELECT unnest(${seqs}::BIGINT[]))`;
  return { sql, values: some.values };
}

interface CommandRow extends CommandSession {
  event_seq: number;
  started: string;
  ended: string | null;
}

/** Events as they are kept were checked before they came here. */
const commandIn = (row: CommandRow): Command =>
  commandOf(
    row.event_seq,
    JSON.parse(row.started) as CommandStart,
    row.ended === null ? null : (JSON.parse(row.ended) as CommandEnd),
    row,
  );
