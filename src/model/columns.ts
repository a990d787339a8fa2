/**
 * The columns of a session, in the order of its JSON and CSV. The type of a
 * session is inferred from this table; its row in the store, JSON, CSV, table,
 * the tools' output schema, the filters and their help are made from it. A new
 * column needs an entry here and a migration of the store.
 */
import type { EndSource, Json, JsonObject } from "./event.ts";
import { metadataOf } from "./metadata.ts";
import { ATTESTED } from "./reporter.ts";
import type { EndFacts, Register, StartFacts, State } from "./state.ts";

export const STATUSES = ["active", "ended", "lost"] as const;
export type Status = (typeof STATUSES)[number];

/** What a stored column is made from. */
export interface Facts {
  state: State;
  start: StartFacts;
  /** The end that holds. */
  end: Register<EndFacts> | null;
}

/** What a column that depends on the clock is made from. */
export interface Span {
  start_time: string;
  end_time: string | null;
  end_source: EndSource | null;
}

/** The type of a column's values; a `short` is an integer of 16 bits. */
interface Types {
  text: string;
  /** UTC, ISO 8601 with milliseconds. */
  time: string;
  integer: number;
  short: number;
  seconds: number;
  texts: string[];
  object: JsonObject;
}
export type Type = keyof Types;

/** How a filter compares; the order in which filters are listed. */
export const COMPARISONS = [
  "begins",
  "equals",
  "status",
  "incomplete",
  "from",
  "until",
  "ran",
] as const;
export type Comparison = (typeof COMPARISONS)[number];

export interface Filter {
  how: Comparison;
  /** All that it may ask for; anything when left out. */
  values?: readonly string[];
  /** Another name of its flag. */
  alias?: string;
  description: string;
}

/** A column of the table that `list-sessions` prints; one without is not in it. */
export interface Shown {
  header: string;
  /** From the left, 1 first. */
  place: number;
  /** Where there is no room the lowest is left out first; one without stays. */
  drop?: number;
  /** How it may be shortened, see render/table.ts. */
  shrink?: "id" | "name";
  /** The column whose value is shown instead, where it has one. */
  rather?: "signal";
}

/** What a column may have beside its type and where it comes from. */
interface More {
  /** By the names of flags and of the tools' arguments. */
  filters?: Readonly<Record<string, Filter>>;
  table?: Shown;
  /** Whether the tools' schema allows null. */
  nullable?: true;
  /** All the values that there are; any of its type when left out. */
  values?: readonly string[];
}

/** A column that is stored, from the registers of the fold. */
interface Stored<T extends Type = Type, Value = unknown> {
  type: T;
  from: (facts: Facts) => Value;
}
/** A column that the clock makes, never stored. */
interface Derived<T extends Type = Type, Value = unknown> {
  type: T;
  /** @param now in milliseconds since the epoch */
  at: (span: Span, now: number) => Value;
}
/** Another name of a column, in JSON and CSV alone. */
interface Alias {
  type: "text";
  same_as: string;
}

export type Column = More & (Stored | Derived | Alias);

const stored = <
  const T extends Type,
  V extends Types[T],
  const M extends More = object,
>(
  type: T,
  from: (facts: Facts) => V,
  more?: M,
): Stored<T, V> & M => ({ type, from, ...more! });

/** The same of one that may be null. */
const maybe = <
  const T extends Type,
  V extends Types[T],
  const M extends More = object,
>(
  type: T,
  from: (facts: Facts) => V | null,
  more?: M,
): Stored<T, V | null> & { nullable: true } & M => ({
  type,
  nullable: true,
  from,
  ...more!,
});

const derived = <
  const T extends Type,
  V extends Types[T],
  const M extends More = object,
>(
  type: T,
  at: (span: Span, now: number) => V,
  more?: M,
): Derived<T, V> & M => ({ type, at, ...more! });

const alias = (same_as: string): Alias => ({ type: "text", same_as });

export const COLUMNS = {
  session_id: stored("text", ({ state }) => state.session_id, {
    filters: {
      reference: {
        how: "begins",
        description: "A session's id, the beginning of one, or its last 8 hex",
      },
    },
    table: { header: "SESSION ID", place: 1, shrink: "id" },
  }),
  /** `admin_shell`, `channel`… */
  session_type: stored("text", ({ start }) => start.session_type, {
    filters: { type: { how: "equals", description: "admin_shell, channel…" } },
  }),
  component_name: stored("text", ({ start }) => start.component_name, {
    filters: {
      component: { how: "equals", description: "What the shells belong to" },
    },
    table: { header: "COMPONENT", place: 2, drop: 7, shrink: "name" },
  }),
  component: alias("component_name"),
  shell_type: stored("text", ({ start }) => start.shell_type),
  status: derived("text", ({ end_source }) => statusOf(end_source), {
    values: STATUSES,
    filters: {
      status: {
        how: "status",
        values: STATUSES,
        description: "active, ended or lost",
      },
      incomplete: {
        how: "incomplete",
        description: "Only sessions whose end nobody saw: active or lost",
      },
    },
    table: { header: "STATUS", place: 7, drop: 6 },
  }),
  start_time: stored("time", ({ start }) => start.timestamp, {
    filters: {
      after: {
        how: "from",
        alias: "since",
        description: "Started at or after",
      },
      before: { how: "until", alias: "until", description: "Started before" },
    },
    table: { header: "STARTED", place: 5, drop: 5 },
  }),
  end_time: maybe("time", ({ end }) => end?.timestamp ?? null),
  /** With milliseconds; of an active session, so far. Never negative. */
  duration_seconds: derived("seconds", durationOf, {
    table: { header: "DURATION", place: 6, drop: 4 },
  }),
  exit_code: maybe("short", ({ end }) => end?.value.exit_code ?? null, {
    table: { header: "EXIT", place: 8, drop: 3, rather: "signal" },
  }),
  /** `SIGKILL`; null when it exited. */
  signal: maybe("text", ({ end }) => end?.value.signal ?? null),
  pid: stored(
    "integer",
    ({ state, start }) => state.process?.value.pid ?? start.pid,
    { nullable: true },
  ),
  ppid: maybe(
    "integer",
    ({ state, start }) => state.process?.value.ppid ?? start.ppid ?? null,
  ),
  username: stored("text", ({ start }) => start.user.username, {
    filters: { user: { how: "equals", description: "A user's name" } },
    table: { header: "USER", place: 3, drop: 2, shrink: "name" },
  }),
  hostname: stored("text", ({ start }) => start.hostname, {
    table: { header: "HOST", place: 4, drop: 1, shrink: "name" },
  }),
  tty: maybe("text", ({ start }) => start.tty ?? null),
  working_directory: stored("text", ({ start }) => start.environment.cwd),
  platform: stored("text", ({ start }) => start.environment.platform),
  python_version: maybe(
    "text",
    ({ state, start }) =>
      state.python_version?.value ?? start.environment.python_version,
  ),
  parent_session_id: maybe(
    "text",
    ({ start }) => start.parent_session_id ?? null,
  ),
  /** As it was given to the session last. */
  name: maybe(
    "text",
    ({ state, start }) => textOf(state.remarks["name"]) ?? start.name ?? null,
    {
      filters: {
        name: { how: "equals", description: "What the session was named" },
      },
    },
  ),
  reason: maybe("text", ({ start }) => start.reason ?? null),
  tags: stored("texts", tagsOf),
  /** The first 500 characters of what was noted last. */
  last_note: maybe("text", ({ state }) => textOf(state.remarks["note"])),
  /** null when no command was recorded. */
  command_count: maybe("integer", ({ state }) => state.command_count || null),
  /** Those that ended with another exit status than 0; null as above. */
  failed_commands: maybe("integer", ({ state }) =>
    state.command_count ? state.failed_commands : null,
  ),
  /** The first 500 characters of its text; null where that is not kept. */
  last_command: maybe(
    "text",
    ({ state }) => state.last_command?.value ?? null,
    {
      filters: {
        ran: {
          how: "ran",
          description:
            "A command with this text in it ran, upper and lower case alike",
        },
      },
    },
  ),
  end_source: maybe("text", ({ end }) => end?.value.end_source ?? null),
  /** The last sign of life; a recovered end stands at it, a heartbeat perhaps. */
  last_seen: stored("time", ({ state, end }) =>
    end?.value.end_source === "recovered" ? end.timestamp : state.last_sign,
  ),
  /** See reporter.ts; null when it is unknown. */
  reporter: maybe("text", ({ state }) => state.reporter, {
    filters: {
      reporter: {
        how: "equals",
        description: "Who reported it: spool, token:SUBJECT or uid:N",
      },
    },
  }),
  /** How host and user are known. */
  attested: maybe("text", ({ start }) => start.attested, {
    filters: {
      attested: {
        how: "equals",
        values: ATTESTED,
        description:
          "How host and user are known: spool, uid, token or claimed",
      },
    },
  }),
  metadata: stored("object", ({ state, end }) => metadataOf(state, end)),
};

/** Those of the start in their order, then those that were added, by name. */
function tagsOf({ state: { tags }, start }: Facts): string[] {
  const given = start.tags ?? [];
  const added = Object.keys(tags)
    .filter((tag) => tags[tag]!.value === true && !given.includes(tag))
    .sort();
  return [...given.filter((tag) => tags[tag]?.value !== false), ...added];
}

/** @returns null of a register that nobody wrote a text to */
function textOf(register: Register<Json> | undefined): string | null {
  return typeof register?.value === "string" ? register.value : null;
}

function statusOf(end_source: EndSource | null): Status {
  if (end_source === null) return "active";
  return end_source === "recovered" ? "lost" : "ended";
}

function durationOf({ start_time, end_time }: Span, now: number): number {
  const until = end_time === null ? now : Date.parse(end_time);
  return Math.max(0, until - Date.parse(start_time)) / 1_000;
}

type Columns = typeof COLUMNS;
export type ColumnName = keyof Columns;

type ValueOf<C> = C extends
  { from: (...given: never) => infer V } | { at: (...given: never) => infer V }
  ? V
  : never;

type NamesOf<Kind> = {
  [K in ColumnName]: Columns[K] extends Kind ? K : never;
}[ColumnName];
type StoredName = NamesOf<{ from: unknown }>;
type DerivedName = NamesOf<{ at: unknown }>;

/** A session as it is stored: everything but what the clock decides. */
export type SessionRow = { [K in StoredName]: ValueOf<Columns[K]> };
/** A session as it is shown. */
export type Session = SessionRow & {
  [K in DerivedName]: ValueOf<Columns[K]>;
};

type FiltersOf<C> = C extends { filters: infer F } ? keyof F : never;
/** The filters, by the names of flags and of the tools' arguments. */
export type FilterName = {
  [K in ColumnName]: FiltersOf<Columns[K]>;
}[ColumnName];
/** The columns that a filter compares with one value. */
export type EqualColumn = NamesOf<{
  filters: Record<string, { how: "equals" }>;
}>;
