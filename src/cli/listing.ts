/**
 * Sessions as a list, in every form: rows for programs go out as they come, a table
 * for a person is as wide as the terminal.
 */
import type { Session } from "../model/columns.ts";
import { fail } from "../model/failure.ts";
import type { SessionFilter } from "../model/filter.ts";
import {
  SESSION_KEYS,
  plainJson,
  sessionJson,
  sessionShape,
} from "../model/json.ts";
import { parseCount } from "../model/time.ts";
import type { Zone } from "../model/clock.ts";
import { Output, terminalWidth, writeOutput } from "../os/output.ts";
import { isTerminal } from "../os/proc.ts";
import { isToCome, noneFound, timeShown } from "../render/asked.ts";
import { Csv } from "../render/csv.ts";
import { sessionColumn } from "../render/detail.ts";
import { JsonArray } from "../render/json.ts";
import { type Column, tabRow, table } from "../render/table.ts";
import {
  type Args,
  COLOR_FLAG,
  CONFIG_FLAG,
  OUTPUT_FLAGS,
  nearest,
} from "./args.ts";
import { FILTER_FLAGS, filterFrom } from "./filters.ts";
import { formatOf } from "./format.ts";
import { note, print, wantsColor } from "./terminal.ts";

/** At a terminal. */
export const DEFAULT_LIMIT = 50;

const FORMATS = ["table", "json", "ndjson", "csv", "parquet"] as const;

/** How sessions are picked and listed. */
export const LISTING_FLAGS = {
  ...FILTER_FLAGS,
  limit: {
    type: "string",
    alias: "n",
    valueHint: "count",
    description: "At most so many",
  },
  offset: {
    type: "string",
    valueHint: "count",
    description: "Without so many at the beginning",
  },
  reverse: { type: "boolean", description: "Oldest start first" },
  format: {
    type: "string",
    values: FORMATS,
    description: "table, json, ndjson, csv or parquet",
  },
  ...OUTPUT_FLAGS,
  columns: {
    type: "string",
    valueHint: "a,b",
    description: "These in full, by their names in the JSON, in this order",
  },
  header: {
    type: "boolean",
    default: true,
    description: "Without the names of the columns",
  },
  wide: {
    type: "boolean",
    description: "All columns in full at a terminal of any width",
  },
  color: COLOR_FLAG,
  config: CONFIG_FLAG,
} as const;
export type ListingArgs = Args<typeof LISTING_FLAGS>;

/** The list that flags ask for. */
export interface Listing {
  filter: SessionFilter;
  /** Those that a table has, unless others are asked for. */
  columns: readonly Column<Session>[];
  zone: Zone;
  /** What a person is told when there is none. */
  none?: string;
}

/** What a list is read from, and where it may not go. */
export interface Source {
  read<T>(
    filter: SessionFilter,
    use: (rows: AsyncIterable<Session>) => Promise<T>,
  ): Promise<T>;
  /** Throws for a file that is not to be replaced. */
  requireFree(path: string): void;
  /** Writes rows as Parquet. @param keys of the JSON, in the order of the columns */
  parquet(
    keys: readonly string[],
    rows: AsyncIterable<Session>,
    output: Output,
  ): Promise<void>;
}

/**
 * @param now in milliseconds since the epoch
 * @throws Failure (usage)
 */
export function listedBy(
  args: ListingArgs,
  now: number,
  zone: Zone,
): SessionFilter {
  const filter = filterFrom(args, now, zone);
  const { limit, offset, reverse } = args;
  if (limit !== undefined) filter.limit = parseCount(limit, "--limit");
  if (offset !== undefined) filter.offset = parseCount(offset, "--offset");
  if (reverse) filter.reverse = true;
  return filter;
}

/** Writes the list to where it shall go. @returns whether a person saw it as a table */
export async function writeListing(
  args: ListingArgs,
  { filter, columns, zone, none }: Listing,
  { read, requireFree, parquet }: Source,
): Promise<boolean> {
  const format = formatOf(FORMATS, args);
  const keys = columnsOf(args.columns);
  const options = {
    ...{ keys, header: args.header, raw: args["csv-raw"] },
    ...{ columns: keys?.map(sessionColumn) ?? columns, zone },
  };
  const write = (output: Output) =>
    read(filter, (rows) =>
      format === "parquet"
        ? parquet(keys ?? SESSION_KEYS, rows, output)
        : writeRows(rows, FORMS[format](options), output),
    );
  const { output: file } = args;
  if (file !== undefined && file !== "-") {
    await writeOutput(file, requireFree, write);
    return false;
  }
  if (format === "parquet" && isTerminal(1))
    throw fail.usage("parquet is nothing for a terminal", "try: -o FILE");
  if (format !== "table" || !isTerminal(1)) {
    await write(new Output());
    return false;
  }
  const capped = filter.limit === undefined;
  const shown = await read(
    capped ? { ...filter, limit: DEFAULT_LIMIT + 1 } : filter,
    (rows) => Array.fromAsync(rows),
  );
  // A terminal may be stopped for long: the store is free again by now.
  const now = Date.now();
  if (shown.length === 0)
    note(none ?? noneFound("no sessions match", filter, now, zone));
  else showTable(shown, capped, args, options);
  const { at } = filter;
  if (shown.length > 0 && isToCome(at, now))
    note(`${timeShown(at!, zone)} is in the future`);
  return true;
}

/** Rows go out as they come. */
async function writeRows(
  sessions: AsyncIterable<Session>,
  form: Form,
  output: Output,
): Promise<void> {
  for await (const session of sessions) output.write(form.row(session));
  output.write(form.end?.() ?? "");
  output.flush();
}

/** How rows are written for programs. */
interface Form {
  row(session: Session): string;
  end?(): string;
}

interface FormOptions {
  /** Of the JSON; null for all. */
  keys: readonly string[] | null;
  /** Of a table. */
  columns: readonly Column<Session>[];
  zone: Zone;
  header: boolean;
  /** CSV with every text as it is. */
  raw: boolean;
}

const shapeOf = ({ keys }: FormOptions) =>
  keys ? sessionShape(keys) : sessionJson;

const FORMS = {
  table: ({ columns, zone }: FormOptions): Form => ({
    row: (session) => tabRow(columns, session, zone),
  }),
  json: (options: FormOptions): Form => new JsonArray(shapeOf(options)),
  ndjson: (options: FormOptions): Form => {
    const shape = shapeOf(options);
    return { row: (session) => `${plainJson(shape(session))}\n` };
  },
  csv: (options: FormOptions): Form =>
    new Csv(options.raw, shapeOf(options), options.header),
};

/** @throws Failure (usage) that suggests the nearest column */
function columnsOf(given: string | undefined): string[] | null {
  if (given === undefined) return null;
  const keys = given.split(",").map((key) => key.trim());
  const twice = keys.find((key, i) => keys.indexOf(key) < i);
  if (twice !== undefined)
    throw fail.usage(`--columns has '${twice}' twice`, "leave one out");
  const unknown = keys.find((key) => !SESSION_KEYS.includes(key));
  if (unknown === undefined) return keys;
  const near = nearest(unknown, SESSION_KEYS);
  throw fail.usage(
    `sessions have no column '${unknown}'`,
    near ? `did you mean ${near}?` : "they are: " + SESSION_KEYS.join(", "),
  );
}

function showTable(
  sessions: Session[],
  capped: boolean,
  { wide, color, reverse }: ListingArgs,
  { keys, columns, zone, header }: FormOptions,
): void {
  const more = capped && sessions.length > DEFAULT_LIMIT;
  if (more) sessions.pop();
  const width = wide || keys ? null : terminalWidth(1);
  const options = { color: wantsColor(color), zone, width, header };
  print(table(columns, sessions, options));
  if (more)
    note(
      `only the ${reverse ? "oldest" : "newest"} ${DEFAULT_LIMIT} are shown (see --limit)`,
    );
}
