/**
 * The columns of a session, in the order of its JSON and CSV. The type of a
 * session is inferred from this table; its row in the store, JSON, CSV, table,
 * the tools' output schema, the filters and their help are made from it. A new
 * column needs an entry here and a migration of the store.
 */
import type { EndSource, JsonObject } from "./event.ts";
import { metadataOf } from "./metadata.ts";
import { ATTESTED } from "./reporter.ts";
import type { EndFacts, Register, StartFacts, State } from "./state.ts";

export const STATUSES = ["active", "ended", "lost"] as const;
export type Status = (typeof STATUSES)[number];

/** What the events of a session have told. */
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

interface Common {
  /** By the names of flags and of the tools' arguments. */
  filters?: Readonly<Record<string, Filter>>;
  table?: Shown;
}

/** @param T the type; null is among its values only where `nullable` says so */
type Typed<T extends Type, Value = Types[T]> =
  | { type: T; nullable?: false; from: (facts: Facts) => Value }
  | { type: T; nullable: true; from: (facts: Facts) => Value | null };

/** A column that is stored, from the registers of the fold. */
type Stored = { [T in Type]: Typed<T> }[Type];
/** A column that the clock makes, never stored. */
interface Derived {
  type: "text" | "seconds";
  nullable?: false;
  values?: readonly string[];
  /** @param now in milliseconds since the epoch */
  at: (span: Span, now: number) => string | number;
}
/** Another name of a column, in JSON and CSV alone. */
interface Alias {
  type: "text";
  nullable?: false;
  same_as: string;
}

export type Column = Common & (Stored | Derived | Alias);

export const COLUMNS = {
  session_id: {
    type: "text",
    from: ({ state }) => state.session_id,
    filters: {
      reference: {
        how: "begins",
        description: "A session's id, the beginning of one, or its last 8 hex",
      },
    },
    table: { header: "SESSION ID", place: 1, shrink: "id" },
  },
  /** `admin_shell`, `channel`… */
  session_type: {
    type: "text",
    from: ({ start }) => start.session_type,
    filters: { type: { how: "equals", description: "admin_shell, channel…" } },
  },
  component_name: {
    type: "text",
    from: ({ start }) => start.component_name,
    filters: {
      component: { how: "equals", description: "What the shells belong to" },
    },
    table: { header: "COMPONENT", place: 2, drop: 7, shrink: "name" },
  },
  component: { type: "text", same_as: "component_name" },
  shell_type: { type: "text", from: ({ start }) => start.shell_type },
  status: {
    type: "text",
    values: STATUSES,
    at: ({ end_source }): Status =>
      end_source === null
        ? "active"
        : end_source === "recovered"
          ? "lost"
          : "ended",
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
  },
  start_time: {
    type: "time",
    from: ({ start }) => start.timestamp,
    filters: {
      after: {
        how: "from",
        alias: "since",
        description: "Started at or after",
      },
      before: { how: "until", alias: "until", description: "Started before" },
    },
    table: { header: "STARTED", place: 5, drop: 5 },
  },
  end_time: {
    type: "time",
    nullable: true,
    from: ({ end }) => end?.timestamp ?? null,
  },
  /** With milliseconds; of an active session, so far. Never negative. */
  duration_seconds: {
    type: "seconds",
    at: ({ start_time, end_time }, now): number => {
      const until = end_time === null ? now : Date.parse(end_time);
      return Math.max(0, until - Date.parse(start_time)) / 1000;
    },
    table: { header: "DURATION", place: 6, drop: 4 },
  },
  exit_code: {
    type: "short",
    nullable: true,
    from: ({ end }) => end?.value.exit_code ?? null,
    table: { header: "EXIT", place: 8, drop: 3, rather: "signal" },
  },
  /** `SIGKILL`; null when it exited. */
  signal: {
    type: "text",
    nullable: true,
    from: ({ end }) => end?.value.signal ?? null,
  },
  pid: {
    type: "integer",
    nullable: true,
    from: ({ state, start }): number => state.process?.value.pid ?? start.pid,
  },
  ppid: {
    type: "integer",
    nullable: true,
    from: ({ state, start }) => state.process?.value.ppid ?? start.ppid ?? null,
  },
  username: {
    type: "text",
    from: ({ start }) => start.user.username,
    filters: { user: { how: "equals", description: "A user's name" } },
    table: { header: "USER", place: 3, drop: 2, shrink: "name" },
  },
  hostname: {
    type: "text",
    from: ({ start }) => start.hostname,
    table: { header: "HOST", place: 4, drop: 1, shrink: "name" },
  },
  tty: {
    type: "text",
    nullable: true,
    from: ({ start }) => start.tty ?? null,
  },
  working_directory: {
    type: "text",
    from: ({ start }) => start.environment.cwd,
  },
  platform: { type: "text", from: ({ start }) => start.environment.platform },
  python_version: {
    type: "text",
    nullable: true,
    from: ({ state, start }) =>
      state.python_version?.value ?? start.environment.python_version,
  },
  parent_session_id: {
    type: "text",
    nullable: true,
    from: ({ start }) => start.parent_session_id ?? null,
  },
  /** As it was given to the session. */
  name: {
    type: "text",
    nullable: true,
    from: ({ start }) => start.name ?? null,
    filters: {
      name: { how: "equals", description: "What the session was named" },
    },
  },
  reason: {
    type: "text",
    nullable: true,
    from: ({ start }) => start.reason ?? null,
  },
  tags: { type: "texts", from: ({ start }) => start.tags ?? [] },
  /** null when no command was recorded. */
  command_count: {
    type: "integer",
    nullable: true,
    from: ({ state }) => state.command_count || null,
  },
  end_source: {
    type: "text",
    nullable: true,
    from: ({ end }) => end?.value.end_source ?? null,
  },
  /** The last sign of life; a recovered end stands at it, a heartbeat perhaps. */
  last_seen: {
    type: "time",
    from: ({ state, end }) =>
      end?.value.end_source === "recovered" ? end.timestamp : state.last_sign,
  },
  /** Whose it is, see reporter.ts; null when nobody kept that. */
  reporter: {
    type: "text",
    nullable: true,
    from: ({ state }) => state.reporter,
    filters: {
      reporter: {
        how: "equals",
        description: "Who reported it: spool, token:SUBJECT or uid:N",
      },
    },
  },
  /** How host and user are known. */
  attested: {
    type: "text",
    nullable: true,
    from: ({ start }) => start.attested,
    filters: {
      attested: {
        how: "equals",
        values: ATTESTED,
        description:
          "How host and user are known: spool, uid, token or claimed",
      },
    },
  },
  metadata: {
    type: "object",
    from: ({ state, end }) => metadataOf(state, end),
  },
} as const satisfies Record<string, Column>;

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
