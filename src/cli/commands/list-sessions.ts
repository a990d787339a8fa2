/** `session-buddy list-sessions`: lists sessions. */
import { defineCommand, COLOR_FLAG, CONFIG_FLAG, nearest } from "../args.ts";
import { validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { parseCount } from "../../model/time.ts";
import type { Session } from "../../model/columns.ts";
import {
  SESSION_KEYS,
  plainJson,
  sessionJson,
  sessionShape,
} from "../../model/json.ts";
import { withReadable } from "../../access/open.ts";
import { Output, writeOutput, terminalWidth } from "../../os/output.ts";
import { requireNotOwn } from "../../access/own-files.ts";
import { isTerminal } from "../../os/proc.ts";
import { localZone } from "../../os/zone.ts";
import { Csv } from "../../render/csv.ts";
import { JsonArray } from "../../render/json.ts";
import { SESSION_COLUMNS, sessionColumn } from "../../render/detail.ts";
import { NAME_CELLS, dropOrder, tabRow, table } from "../../render/table.ts";
import { FILTER_FLAGS, filterFrom } from "../filters.ts";
import { note, wantsColor } from "../terminal.ts";

const ZONE = localZone(process.env);
const DEFAULT_LIMIT = 50;

const DROPPED = dropOrder(SESSION_COLUMNS).map(({ header }) => header);

export default defineCommand({
  description: `Lists sessions, newest start first.

A TIME is 2026-02-06, 2026-02-06T12:34:56Z, today, 'yesterday 14:05',
'2 hours ago', -2d or @1770381296, or as date -Ins and date -R print it; without
a zone it is local (TZ, in every form that the C library takes).

At a terminal the newest ${DEFAULT_LIMIT} are shown unless --limit is given; a pipe gets all,
tab-separated, without a header. Where a terminal is too narrow, ids are
shortened to their last 8 hex, which show-session takes, then names to ${NAME_CELLS}
cells, and then columns are left out, in this order:
${DROPPED.join(", ")}.

In CSV a text that begins with = + - @, a tab or a return gets a ' before it, so
that a spreadsheet does not compute it.

EXAMPLES
  session-buddy list-sessions --type admin_shell --limit 1
  session-buddy list-sessions --component mahavishnu --status active
  session-buddy list-sessions --after yesterday --json | jq -r '.[].session_id'
  session-buddy ls --after 2026-02-01 --before 2026-02-08 --output week.csv`,
  args: {
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
      values: ["table", "json", "ndjson", "csv"],
      description: "table, json, ndjson or csv",
    },
    json: { type: "boolean", description: "The same as --format json" },
    output: {
      type: "string",
      alias: "o",
      valueHint: "file",
      description: "Write to this file, in the format that its name ends with",
    },
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
    "csv-raw": {
      type: "boolean",
      description: "CSV with every text as it is, without a '",
    },
    color: COLOR_FLAG,
    config: CONFIG_FLAG,
  },
  async run(args) {
    const format = formatOf(args);
    const keys = columnsOf(args.columns);
    const { header } = args;
    const form = FORMS[format]({ keys, header, raw: args["csv-raw"] });
    const settings = await validSettings(process.env, args.config);
    const now = Date.now();
    const filter = filterFrom(args, now, ZONE);
    if (args.limit !== undefined)
      filter.limit = parseCount(args.limit, "--limit");
    if (args.offset !== undefined)
      filter.offset = parseCount(args.offset, "--offset");
    if (args.reverse) filter.reverse = true;
    if (args.output !== undefined && args.output !== "-")
      return writeOutput(
        args.output,
        (path) => requireNotOwn(settings, path),
        (output) =>
          withReadable(settings, note, (store) =>
            writeRows(store.list(filter), form, output),
          ),
      );
    const output = new Output();
    const person = format === "table" && isTerminal(1);
    if (!person)
      return withReadable(settings, note, (store) =>
        writeRows(store.list(filter), form, output),
      );
    const capped = filter.limit === undefined;
    if (capped) filter.limit = DEFAULT_LIMIT + 1;
    const shown = await withReadable(settings, note, (store) =>
      Array.fromAsync(store.list(filter)),
    );
    // A terminal may be stopped for long: the store is free again by now.
    showTable(shown, capped, output, { ...args, keys });
  },
});

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
  /** Of the JSON; null for all, in a table for those that it has. */
  keys: readonly string[] | null;
  header: boolean;
  /** CSV with every text as it is. */
  raw: boolean;
}

const shapeOf = ({ keys }: FormOptions) =>
  keys ? sessionShape(keys) : sessionJson;

const tableColumns = (keys: FormOptions["keys"]) =>
  keys?.map(sessionColumn) ?? SESSION_COLUMNS;

const FORMS = {
  table: ({ keys }: FormOptions): Form => {
    const columns = tableColumns(keys);
    return { row: (session) => tabRow(columns, session, ZONE) };
  },
  json: (options: FormOptions): Form => new JsonArray(shapeOf(options)),
  ndjson: (options: FormOptions): Form => {
    const shape = shapeOf(options);
    return { row: (session) => `${plainJson(shape(session))}\n` };
  },
  csv: (options: FormOptions): Form =>
    new Csv(options.raw, shapeOf(options), options.header),
};
type Format = keyof typeof FORMS;

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
  output: Output,
  options: { color: boolean; wide: boolean; reverse: boolean } & Pick<
    FormOptions,
    "keys" | "header"
  >,
): void {
  const { color, wide, header, keys, reverse } = options;
  const more = capped && sessions.length > DEFAULT_LIMIT;
  if (more) sessions.pop();
  if (sessions.length === 0) return note("no sessions match");
  const width = wide || keys ? null : terminalWidth(1);
  output.write(
    table(tableColumns(keys), sessions, {
      ...{ color: wantsColor(color), zone: ZONE, width, header },
    }),
  );
  output.flush();
  if (more)
    note(
      `only the ${reverse ? "oldest" : "newest"} ${DEFAULT_LIMIT} are shown (see --limit)`,
    );
}

function formatOf({
  format,
  json,
  output,
}: {
  [name in "format" | "output"]?: string | undefined;
} & { json: boolean }): Format {
  const suffix = output?.slice(output.lastIndexOf(".") + 1);
  const wanted =
    format ?? (json ? "json" : isFormat(suffix) ? suffix : "table");
  if (isFormat(wanted) && (wanted === "json" || !json)) return wanted;
  throw fail.usage(
    `--format takes ${Object.keys(FORMS).join(", ")}, not '${wanted}'`,
    "try: --format json",
  );
}

const isFormat = (text: string | undefined): text is Format =>
  text !== undefined && Object.hasOwn(FORMS, text);
