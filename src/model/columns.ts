/**
 * The columns of a session, in the order of its JSON and CSV. The type of a
 * session is inferred from this table; its row in the store, JSON, CSV, table,
 * the tools' output schema, the filters and their help are made from it. A new
 * column needs an entry here and a migration of the store.
 */
import {
  type Facts,
  type Span,
  alias,
  derived,
  maybe,
  stored,
} from "./column.ts";
import type { EndSource, Json } from "./event.ts";
import { metadataOf } from "./metadata.ts";
import { ATTESTED } from "./reporter.ts";
import type { Register } from "./state.ts";

export type { Column, Facts, Shown, Span, Type } from "./column.ts";

export const STATUSES = ["active", "ended", "lost"] as const;
export type Status = (typeof STATUSES)[number];

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
      active: { how: "active", description: "The same as the status active" },
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
      at: {
        how: "at",
        description:
          "In at this moment: begun by then, and not ended before it",
      },
      during: {
        how: "during",
        description:
          "In at some moment from A on and before B, or without one of them: A..B, A.., ..B; a clock time as B is of A's day, or of the next",
      },
      last: {
        how: "last",
        description: "In at some moment of the last 5h30m, 90m, 2d",
      },
    },
    table: { header: "STARTED", place: 5, drop: 5 },
  }),
  end_time: maybe("time", ({ end }) => end?.timestamp ?? null),
  /** With milliseconds; of an active session, so far. Never negative. */
  duration_seconds: derived("seconds", durationOf, {
    filters: {
      duration_greater: {
        how: "longer",
        description: "Took longer, so far where active: seconds, or 5m, 1h30m",
      },
      duration_less: {
        how: "shorter",
        description: "Took less time than that",
      },
    },
    table: { header: "DURATION", place: 6, drop: 4 },
  }),
  exit_code: maybe("short", ({ end }) => end?.value.exit_code ?? null, {
    filters: {
      exit: { how: "exits", description: "Ended with this exit status" },
      failed: {
        how: "failed",
        description:
          "Itself ended with another exit status than 0, or by a signal",
      },
    },
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
    filters: { host: { how: "equals", description: "A host's name" } },
    table: { header: "HOST", place: 4, drop: 1, shrink: "name" },
  }),
  tty: maybe("text", ({ start }) => start.tty ?? null),
  working_directory: stored("text", ({ start }) => start.environment.cwd, {
    filters: {
      cwd: { how: "within", description: "Begun in this folder, or below it" },
    },
  }),
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
  tags: stored("texts", tagsOf, {
    filters: {
      tag: { how: "has", description: "Has this tag; of several, each" },
    },
  }),
  /** The first 500 characters of what was noted last. */
  last_note: maybe("text", ({ state }) => textOf(state.remarks["note"])),
  /** null when no command was recorded. */
  command_count: maybe("integer", ({ state }) => state.command_count || null),
  /** Those that ended with another exit status than 0; null as above. */
  failed_commands: maybe(
    "integer",
    ({ state }) => (state.command_count ? state.failed_commands : null),
    {
      filters: {
        failed_commands: {
          how: "some",
          description: "A command failed in it, however it ended itself",
        },
      },
    },
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
/** How the filter of a name compares. */
export type HowOf<N extends FilterName> = {
  [K in ColumnName]: Columns[K] extends { filters: Record<N, { how: infer H }> }
    ? H
    : never;
}[ColumnName];
/** The columns that a filter compares with one value. */
export type EqualColumn = NamesOf<{
  filters: Record<string, { how: "equals" }>;
}>;
