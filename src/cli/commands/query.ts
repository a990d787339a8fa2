/** `session-buddy query`: a SELECT over what was recorded. */
import { readFileSync } from "node:fs";
import { defineCommand, CONFIG_FLAG, OUTPUT_FLAGS } from "../args.ts";
import { formatOf } from "../format.ts";
import { requireNotOwn } from "../../access/own-files.ts";
import { withReadable } from "../../access/open.ts";
import { sendParquet } from "../../access/parquet.ts";
import { type Settings, validSettings } from "../../config/load.ts";
import { COLUMNS } from "../../model/columns.ts";
import { fail } from "../../model/failure.ts";
import {
  MAX_SERVED,
  QUERY_SECONDS,
  type QueryAnswer,
  type QueryRow,
} from "../../model/query.ts";
import { Output, terminalWidth, writeOutput } from "../../os/output.ts";
import { isTerminal } from "../../os/proc.ts";
import { ROW_FORMS, rowsTable } from "../../render/rows.ts";
import { note } from "../terminal.ts";

/** Each below the first, which stands at the 13th letter. */
function listed(names: readonly string[]): string {
  const lines = [""];
  for (const name of names) {
    const line = lines.at(-1)!;
    if (line.length + name.length > 66) lines.push(`${name}, `);
    else lines[lines.length - 1] = `${line}${name}, `;
  }
  return lines
    .map((line) => line.trimEnd())
    .join(`\n${" ".repeat(12)}`)
    .slice(0, -1);
}

/** A table at a terminal is made of all its rows. */
const SHOWN_ROWS = 1_000;

const FORMATS = ["table", "json", "ndjson", "csv", "parquet"] as const;
type Format = (typeof FORMATS)[number];

export default defineCommand({
  description: `Answers a SELECT, in DuckDB's SQL, over what was recorded.

It reads five views and nothing else, and changes nothing:

  sessions  ${listed(Object.keys(COLUMNS))}
  commands  session_id, username, hostname, event_seq, seq, pid, depth, text,
            text_base64, truncated_bytes, start_time, end_time,
            duration_seconds, exit_code, pipe_status, cwd, mark
  events    seq, event_id, session_id, event_type, timestamp, received_at,
            provenance, event
  output    session_id, username, hostname, recording_line, recording_ms, time,
            text; the lines that recorded terminals showed
  recordings  session_id, username, hostname, start_time, bytes, lines,
            searched, left_out; the recordings that these are of

'DESCRIBE commands' has their types. Times are UTC, and so is now(); metadata,
event and provenance are JSON: metadata->>'version'. One SELECT, with joins,
WITH (RECURSIVE too), windows, and DuckDB's functions of values, aggregates and
dates; not there are files, settings, the catalog, lambdas, parameters and
PIVOT. LIKE takes a pattern that stands there; contains and regexp_matches take
any. Where store.url names a PostgreSQL database, SQL and functions are those of
PostgreSQL.

A query that has not ended at --timeout is interrupted. Where a server runs it
answers, at most ${MAX_SERVED.rows} rows or ${MAX_SERVED.bytes / 1024 / 1024} MiB to a query; with more it is said. A
pipe gets all rows, tab-separated, without a header.

EXAMPLES
  session-buddy query "SELECT component, count(*) FROM sessions GROUP BY 1"
  session-buddy query "SELECT username, text FROM commands WHERE exit_code = 1"
  session-buddy query "DESCRIBE commands"
  session-buddy query --json "TABLE sessions LIMIT 9" | jq -r '.[].username'
  session-buddy query -o all.parquet "TABLE commands"
  echo "SELECT count(*) FROM events" | session-buddy query -`,
  args: {
    sql: {
      type: "positional",
      phrase: true,
      description: "The query; - reads it from standard input",
    },
    timeout: {
      type: "string",
      default: String(QUERY_SECONDS.default),
      valueHint: "seconds",
      description: `How long it may run (default: ${QUERY_SECONDS.default})`,
    },
    format: {
      type: "string",
      values: FORMATS,
      description: FORMATS.join(", "),
    },
    ...OUTPUT_FLAGS,
    config: CONFIG_FLAG,
  },
  async run(args) {
    const format = formatOf(FORMATS, args);
    const timeout_ms = secondsOf(args.timeout) * 1_000;
    const sql = sqlOf(args.sql);
    const settings = await validSettings(process.env, args.config);
    const form = { format, raw: args["csv-raw"], settings };
    const ask = <T>(use: (answer: QueryAnswer) => Promise<T>) =>
      withReadable(
        settings,
        note,
        async (store) => use(await store.query({ sql, timeout_ms })),
        /\b(output|recordings)\b/i.test(sql) ? "first" : "after",
      );
    const { output: file } = args;
    if (file !== undefined && file !== "-")
      return writeOutput(
        file,
        (path) => requireNotOwn(settings, path),
        (output) => ask((answer) => write(answer, form, output)),
      );
    const output = new Output();
    if (!isTerminal(1)) return ask((answer) => write(answer, form, output));
    if (format === "parquet")
      throw fail.usage("parquet is nothing for a terminal", "try: -o FILE");
    if (format !== "table") return ask((answer) => write(answer, form, output));
    const { columns, rows, more } = await ask(firstRows);
    // A terminal may be stopped for long: the store is free again by now.
    if (rows.length === 0) return note("the query has no rows");
    output.write(rowsTable(columns, rows, terminalWidth(1)));
    output.flush();
    if (more) note(`only the first ${rows.length} rows are shown`);
  },
});

async function firstRows({ columns, rows: all, cut }: QueryAnswer) {
  const rows: QueryRow[] = [];
  for await (const row of all) {
    if (rows.length === SHOWN_ROWS) return { columns, rows, more: true };
    rows.push(row);
  }
  return { columns, rows, more: cut() };
}

interface Form {
  format: Format;
  raw: boolean;
  settings: Settings;
}

/** The forms for programs: rows go out as they come. */
async function write(
  { columns, rows, cut }: QueryAnswer,
  { format, raw, settings }: Form,
  output: Output,
): Promise<void> {
  if (format === "parquet") await sendParquet(settings, columns, rows, output);
  else {
    const form = ROW_FORMS[format](columns, raw);
    output.write(form.begin?.() ?? "");
    for await (const row of rows) output.write(form.row(row));
    output.write(form.end?.() ?? "");
    output.flush();
  }
  if (cut())
    note(
      `the server gave the first rows only: it answers at most ${MAX_SERVED.rows} rows or ${MAX_SERVED.bytes / 1024 / 1024} MiB (make the query smaller; export has all)`,
    );
}

function sqlOf(given: string | undefined): string {
  const sql = given === "-" ? readFileSync(0, "utf8") : given;
  if (sql?.trim()) return sql;
  throw fail.usage(
    given === "-" ? "nothing came on standard input" : "query needs a SELECT",
    'try: session-buddy query "SELECT count(*) FROM sessions"',
  );
}

function secondsOf(text: string): number {
  const seconds = /^\d+(\.\d+)?s?$/.test(text) ? parseFloat(text) : NaN;
  if (seconds > 0 && seconds <= QUERY_SECONDS.max) return seconds;
  throw fail.usage(
    `--timeout takes seconds up to ${QUERY_SECONDS.max}, not '${text}'`,
    "try: --timeout 60",
  );
}
