/** Filters of sessions and events. */
import {
  COMPARISONS,
  type Column,
  type Comparison,
  type Filter,
  type Given,
} from "./column.ts";
import {
  COLUMNS,
  type ColumnName,
  type EqualColumn,
  type FilterName,
  type HowOf,
  type SessionRow,
  type Status,
} from "./columns.ts";
import type { Zone } from "./clock.ts";
import { fail } from "./failure.ts";
import { parseExitStatus, parseLength, parseSpan, parseTime } from "./time.ts";

/** Columns that equal a value, by their names, and other filters by theirs. */
export type SessionFilter = {
  [K in EqualColumn]?: NonNullable<SessionRow[K]>;
} & {
  /** An id, a prefix of one, or its last 8 hex. */
  reference?: string;
  /** All of them. */
  tag?: readonly string[];
  /** Begun in this folder, or below it. */
  cwd?: string;
  exit?: number;
  /** Ended with another exit status than 0, or by a signal. */
  failed?: boolean;
  /** A command of it did, however it ended itself. */
  failed_commands?: boolean;
  status?: Status;
  active?: boolean;
  /** Sessions without an observed or declared end: active or lost. */
  incomplete?: boolean;
  /** Started at or after this time, UTC ISO 8601. */
  after?: string;
  /** Started before this time, UTC ISO 8601. */
  before?: string;
  /** Started by this time, and not ended before it, UTC ISO 8601. */
  at?: string;
  /** Not ended before this time, UTC ISO 8601. */
  in_since?: string;
  /** In milliseconds; that of an active session is its time so far. */
  duration_greater?: number;
  duration_less?: number;
  /** A command with this text in it ran, upper and lower case alike. */
  ran?: string;
  /** The same list from its end. */
  reverse?: boolean;
  /** Rows to leave out at the beginning; not with `from`. */
  offset?: number;
  /** Only what comes after this row in the order of the list. */
  from?: Pick<SessionRow, "start_time" | "session_id">;
  limit?: number;
};

/** A filter of sessions, by its name as an argument of the tools. */
export interface NamedFilter extends Filter {
  name: FilterName;
  /** As a flag, without the dashes. */
  flag: string;
  column: ColumnName;
  given: Given;
  /** Where its value stands in a SessionFilter. */
  key: FilterKey;
}
type FilterKey = Exclude<
  keyof SessionFilter,
  "from" | "limit" | "offset" | "reverse"
>;

const HOWS = Object.keys(COMPARISONS);

/** Of those whose key is neither their name nor their column's. */
const KEYS: Partial<Record<Comparison, FilterKey>> = {
  during: "in_since",
  last: "in_since",
};

/** In the order of help. */
export const FILTERS: readonly NamedFilter[] = Object.entries<Column>(COLUMNS)
  .flatMap(([column, { filters = {} }]) =>
    Object.entries(filters).map(
      ([name, filter]) =>
        ({
          ...filter,
          name,
          flag: name.replaceAll("_", "-"),
          column,
          given: COMPARISONS[filter.how],
          key: KEYS[filter.how] ?? (filter.how === "equals" ? column : name),
        }) as NamedFilter,
    ),
  )
  .sort((a, b) => HOWS.indexOf(a.how) - HOWS.indexOf(b.how));

/** What flags and tools give. */
interface GivenAs {
  text: string;
  texts: readonly string[];
  folder: string;
  status: string | number;
  flag: boolean;
  time: string;
  span: string;
  length: string;
}

/** Values of filters by their names, as flags and tools give them. */
export type FilterArguments = {
  [N in FilterName]?: GivenAs[(typeof COMPARISONS)[HowOf<N>]] | undefined;
};

/**
 * @param now in milliseconds since the epoch
 * @param named is given each failure with the name of its filter
 * @throws Failure (usage) of a value that a filter cannot have, as it is named
 */
export function filterOf(
  args: FilterArguments,
  now: number,
  zone: Zone,
  named: (name: string, error: unknown) => unknown = (_, error) => error,
): SessionFilter {
  const filter: SessionFilter = {};
  for (const each of FILTERS) {
    const value = args[each.name];
    if (value === undefined) continue;
    try {
      take(filter, each, value, now, zone);
    } catch (error) {
      throw named(each.name, error);
    }
  }
  return filter;
}

/** Puts a value where it belongs in a filter. */
function take(
  filter: SessionFilter,
  { how, given, key, flag, values }: NamedFilter,
  value: string | number | boolean | readonly string[],
  now: number,
  zone: Zone,
): void {
  const set = (what: unknown) => Object.assign(filter, { [key]: what });
  const text = String(value);
  if (values?.includes(text) === false)
    throw fail.usage(
      `--${flag} takes ${values.join(", ")}, not '${text}'`,
      `try: --${flag} ${values[0]}`,
    );
  if (how === "during") {
    const { from, to } = parseSpan(text, now, zone);
    if (from) since(filter, from);
    // Begun before its end, as well as before any other time that is given.
    if (to && !(filter.before! < to)) filter.before = to;
  } else if (how === "last")
    since(filter, new Date(now - parseLength(text)).toISOString());
  else if (given === "time") set(parseTime(text, now, zone).toISOString());
  else if (given === "length") set(parseLength(text));
  else if (given === "status") set(parseExitStatus(text, `--${flag}`));
  else if (given === "flag") value && set(true);
  else if (given === "texts") (value as readonly string[]).length && set(value);
  else set(value);
}

function since(filter: SessionFilter, time: string): void {
  if (!(filter.in_since! > time)) filter.in_since = time;
}

/** The reverse of `filterOf`; the order of the list and its part are no arguments. */
export function argumentsOf(filter: SessionFilter): FilterArguments {
  const args: Record<string, unknown> = {};
  for (const { name, key, how, given } of FILTERS) {
    const value = filter[key];
    if (value === undefined || how === "last") continue;
    if (how === "during") args[name] = `${value as string}..`;
    else if (given === "length") args[name] = `${Number(value) / 1_000}`;
    else args[name] = value;
  }
  return args;
}

export interface EventFilter {
  session_id?: string;
  /** Kinds of events: `session_start`, `command_end`… */
  kinds?: readonly string[];
  /** Happened at or after this time, UTC ISO 8601. */
  after?: string;
  /** Happened before this time, UTC ISO 8601. */
  before?: string;
  /** Only what arrived after the event of this number. */
  after_seq?: number;
  limit?: number;
}
