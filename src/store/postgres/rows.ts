/**
 * The rows of sessions, which the writer reads and writes. A row is written only where
 * nobody else has since it was read: `version` counts the commits.
 */
import { COLUMNS, type Column } from "../../model/columns.ts";
import type { EndSource } from "../../model/event.ts";
import { metadataJson } from "../../model/metadata.ts";
import { ownerOf } from "../../model/reporter.ts";
import { isClosed, settle } from "../../model/session.ts";
import { type State, stateJson } from "../../model/state.ts";
import type { Connection, Value } from "./connect.ts";
import { Stale } from "./retry.ts";
import { arrayOf, decoded, encoded, timeOf } from "./text.ts";

/** What the writer knows of a session from its row. */
export interface Known {
  session_id: string;
  version: number;
  /** See `ownerOf`; null while it has none. */
  owner: string | null;
  /** Whether an end was observed or declared. */
  ended: boolean;
  start_time: string | null;
  /** JSON; null of one that is closed. */
  state: string | null;
  archived: boolean;
}

interface KnownRow {
  session_id: string;
  version: string;
  reporter: string | null;
  end_source: EndSource | null;
  start_time: Date | null;
  state: string | null;
  archived: boolean;
}

/**
 * The rows of some sessions, locked in the order of their ids, so that nobody waits
 * for somebody who waits for them.
 * @param locks whether to lock them: it saves doing things again
 */
export async function readKnown(
  tx: Connection,
  ids: Iterable<string>,
  locks: boolean,
): Promise<Map<string, Known>> {
  const rows = await tx.ask<KnownRow>(
    `SELECT session_id, version, reporter, end_source, start_time, state,
        archived IS NOT NULL AS archived
      FROM sessions WHERE session_id = ANY($1::text[])
      ORDER BY session_id ${locks ? "FOR UPDATE" : ""}`,
    [arrayOf([...ids])],
  );
  return new Map(rows.map((row) => [row.session_id, knownOf(row)]));
}

function knownOf(row: KnownRow): Known {
  const { session_id, state, archived, end_source } = row;
  const reporter = decoded(row.reporter);
  const ended = end_source !== null && end_source !== "recovered";
  const start_time = timeOf(row.start_time);
  const owner = start_time === null ? reporter : ownerOf(reporter, ended);
  const version = Number(row.version);
  return { session_id, version, state, archived, owner, ended, start_time };
}

/** A session as it is to be written. */
export interface Changed {
  state: State;
  /** That of its row; 0 where it has none. */
  version: number;
  /** Whether a sign of life came. */
  alive: boolean;
  /** Its host has said that it is gone, and nothing since that it lives. */
  said_gone: boolean;
}

const STORED = Object.entries<Column>(COLUMNS).flatMap(([name, column]) =>
  "from" in column && name !== "session_id"
    ? [{ name, type: column.type }]
    : [],
);
/** How a column's values come, and what they are cast to; lists come as text each. */
const ARRAYS = {
  text: "text",
  time: "timestamptz",
  integer: "integer",
  short: "smallint",
  seconds: "float8",
  texts: "text",
  object: "text",
} as const;

const OWN = [
  { name: "version", array: "bigint" },
  { name: "state", array: "text" },
  { name: "lease_seconds", array: "integer" },
  { name: "boot_id", array: "text" },
] as const;

const COLUMNS_WRITTEN = [
  { name: "session_id", array: "text" },
  ...OWN,
  ...STORED.map(({ name, type }) => ({ name, array: ARRAYS[type] })),
];

const CLOCK = "clock_timestamp() + $1::bigint * interval '1 millisecond'";

/** The time of the database, moved by as much as the caller's clock is moved. */
export const databaseTime = (parameter: string) =>
  CLOCK.replace("$1", parameter);

/**
 * In the statement of signs of life: a COMMIT that waits for no standby and no disk.
 * What is lost of them comes again within seconds.
 */
export const UNWAITED = "set_config('synchronous_commit', 'off', true)";

const named = (name: string) =>
  STORED.some((column) => column.name === name && column.type === "texts")
    ? `x.${name}::text[]`
    : `x.${name}`;

/**
 * $1: how far the clock is moved; $2: the server; $3, $4: per session, alive and
 * said_gone.
 */
const WRITE = `INSERT INTO sessions AS s
    (${COLUMNS_WRITTEN.map(({ name }) => name).join(", ")},
    heard_at, heard_by, said_gone_at)
  SELECT ${COLUMNS_WRITTEN.map(({ name }) => named(name)).join(", ")},
    CASE WHEN x.alive THEN ${CLOCK} END, CASE WHEN x.alive THEN $2::integer END,
    CASE WHEN x.said_gone THEN ${CLOCK} END
  FROM unnest($3::boolean[], $4::boolean[],
      ${COLUMNS_WRITTEN.map(({ array }, i) => `$${i + 5}::${array}[]`).join(", ")})
    AS x (alive, said_gone, ${COLUMNS_WRITTEN.map(({ name }) => name).join(", ")})
  ORDER BY x.session_id
  ON CONFLICT (session_id) DO UPDATE SET
    ${COLUMNS_WRITTEN.slice(1)
      .map(({ name }) => `${name} = excluded.${name}`)
      .join(", ")},
    heard_at = coalesce(excluded.heard_at, s.heard_at),
    heard_by = coalesce(excluded.heard_by, s.heard_by),
    said_gone_at = coalesce(excluded.said_gone_at,
      CASE WHEN excluded.heard_at IS NULL THEN s.said_gone_at END)
  WHERE s.version = excluded.version - 1
  RETURNING session_id`;

/**
 * @param heard by which server they were heard, and how far its clock is moved
 * @throws Stale when another has changed one of them since it was read
 */
export async function writeRows(
  tx: Connection,
  sessions: readonly Changed[],
  heard: { clock_ms: number; server: number },
): Promise<void> {
  const lines = sessions.map(lineOf);
  const list = (values: Value[]) => arrayOf(values);
  const written = await tx.ask(WRITE, [
    heard.clock_ms,
    heard.server,
    list(sessions.map(({ alive }) => alive)),
    list(sessions.map(({ said_gone }) => said_gone)),
    ...COLUMNS_WRITTEN.map(({ name }) =>
      list(lines.map((line) => line[name] ?? null)),
    ),
  ]);
  if (written.length < sessions.length)
    throw new Stale("others change the same sessions");
}

/** The values of its row, by column. */
function lineOf({ state, version }: Changed): Record<string, Value> {
  const row = settle(state) as Record<string, unknown> | null;
  const closed = isClosed(state);
  const line: Record<string, Value> = {
    session_id: state.session_id,
    version: version + 1,
    state: closed ? null : stateJson(state),
    // Also of one whose start has not come: nobody else may report of it.
    reporter: encoded(state.reporter),
    ...(closed ? {} : leaseOf(state)),
  };
  if (row)
    for (const { name, type } of STORED) {
      const value = row[name];
      if (type === "texts")
        line[name] = arrayOf((value as string[]).map((text) => encoded(text)));
      else if (type === "object") line[name] = metadataJson(value as never);
      else if (typeof value === "string") line[name] = encoded(value);
      else line[name] = value as Value;
    }
  return line;
}

/** What `lease_seconds` says of one from the wire that no heartbeats come of. */
export const UNLEASED = 0;

function leaseOf({ start }: State): Record<string, Value> {
  const { lease_seconds, boot_id, pid_namespace, start_ticks } =
    start?.value ?? {};
  if (lease_seconds === undefined) return {};
  if (lease_seconds !== null) return { lease_seconds };
  const process = start_ticks && pid_namespace && boot_id;
  return {
    lease_seconds: UNLEASED,
    ...(process && { boot_id: encoded(boot_id) }),
  };
}
