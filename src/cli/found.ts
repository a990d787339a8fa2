/**
 * What a search or a list has found, in every form: for programs rows go out as they
 * are found, a person gets a table of the newest.
 */
import type { Zone } from "../model/clock.ts";
import type { JsonObject } from "../model/event.ts";
import { plainJson } from "../model/json.ts";
import { parseCount } from "../model/time.ts";
import { Output, terminalWidth, writeOutput } from "../os/output.ts";
import { isTerminal } from "../os/proc.ts";
import { csvLine } from "../render/csv.ts";
import { JsonArray } from "../render/json.ts";
import { type Column, tabRow, table } from "../render/table.ts";
import { type Args, COLOR_FLAG, CONFIG_FLAG, OUTPUT_FLAGS } from "./args.ts";
import { formatOf } from "./format.ts";
import { note, wantsColor } from "./terminal.ts";

/** At a terminal. */
export const DEFAULT_LIMIT = 50;

const FORMATS = ["table", "json", "ndjson", "csv"] as const;

/** In whose sessions it is looked for, and in which time it began. */
export const WHERE_FLAGS = {
  user: { type: "string", description: "In sessions of this user" },
  host: {
    type: "string",
    description: "In sessions on this host; . is ours",
  },
  component: { type: "string", description: "In sessions of this component" },
  after: {
    type: "string",
    alias: "since",
    valueHint: "time",
    description: "Began at or after",
  },
  before: {
    type: "string",
    alias: "until",
    valueHint: "time",
    description: "Began before",
  },
} as const;

export const FOUND_FLAGS = {
  limit: {
    type: "string",
    alias: "n",
    valueHint: "count",
    description: "At most so many, the newest",
  },
  format: {
    type: "string",
    values: FORMATS,
    description: "table, json, ndjson or csv",
  },
  ...OUTPUT_FLAGS,
  color: COLOR_FLAG,
  config: CONFIG_FLAG,
} as const;
type FoundArgs = Args<typeof FOUND_FLAGS>;

/** How rows look. */
export interface Look<Row> {
  /** For a program: texts whole. */
  columns: readonly Column<Row>[];
  person: readonly Column<Row>[];
  /** Of the JSON, in the order of the columns of CSV. */
  keys: readonly string[];
  json(row: Row): JsonObject;
  zone: Zone;
  /** What a person is told when there is none. */
  none: string;
  /** What is said to a person after the rows, if anything. */
  hint?(rows: readonly Row[]): string | null;
}

/** What rows are read from, and where they may not go. */
export interface FoundSource<Row> {
  read<T>(
    limit: number | undefined,
    use: (rows: AsyncIterable<Row>) => Promise<T>,
  ): Promise<T>;
  /** Throws for a file that is not to be replaced. */
  requireFree(path: string): void;
}

/** Writes rows to where they shall go. @throws Failure (usage) */
export async function writeFound<Row>(
  args: FoundArgs,
  look: Look<Row>,
  { read, requireFree }: FoundSource<Row>,
): Promise<void> {
  const format = formatOf(FORMATS, args);
  const limit =
    args.limit === undefined ? undefined : parseCount(args.limit, "--limit");
  const form = FORMS[format](look, args["csv-raw"]);
  const write = (output: Output) =>
    read(limit, (rows) => writeRows(rows, form, output));
  if (args.output !== undefined && args.output !== "-")
    return writeOutput(args.output, requireFree, write);
  const output = new Output();
  if (format !== "table" || !isTerminal(1)) return write(output);
  const shown = await read(limit ?? DEFAULT_LIMIT + 1, (rows) =>
    Array.fromAsync(rows),
  );
  // A terminal may be stopped for long: the store is free again by now.
  const more = limit === undefined && shown.length > DEFAULT_LIMIT;
  if (more) shown.pop();
  if (shown.length === 0) return note(look.none);
  const options = { color: wantsColor(args.color), zone: look.zone };
  const width = terminalWidth(1);
  output.write(table(look.person, shown, { ...options, width }));
  output.flush();
  const hint = look.hint?.(shown);
  if (hint) note(hint);
  if (more) note(`only the newest ${DEFAULT_LIMIT} are shown (see --limit)`);
}

async function writeRows<Row>(
  rows: AsyncIterable<Row>,
  form: Form<Row>,
  output: Output,
): Promise<void> {
  output.write(form.begin?.() ?? "");
  for await (const row of rows) {
    output.write(form.row(row));
    output.flush();
  }
  output.write(form.end?.() ?? "");
  output.flush();
}

interface Form<Row> {
  begin?(): string;
  row(row: Row): string;
  end?(): string;
}

/** @param raw CSV with every text as it is */
const FORMS = {
  table: <Row>({ columns, zone }: Look<Row>): Form<Row> => ({
    row: (row) => tabRow(columns, row, zone),
  }),
  json: <Row>({ json }: Look<Row>): Form<Row> => new JsonArray(json),
  ndjson: <Row>({ json }: Look<Row>): Form<Row> => ({
    row: (row) => `${plainJson(json(row))}\n`,
  }),
  csv: <Row>({ keys, json }: Look<Row>, raw: boolean): Form<Row> => ({
    begin: () => csvLine(keys),
    row: (row) => {
      const fields = json(row);
      return csvLine(
        keys.map((key) => fields[key] ?? null),
        raw,
      );
    },
  }),
};
