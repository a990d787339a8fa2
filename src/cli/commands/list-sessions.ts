/** `session-buddy list-sessions`: which sessions there were. */
import { defineCommand } from "citty";
import { CONFIG_FLAG } from "../args.ts";
import { validSettings } from "../../config/load.ts";
import { Failure } from "../../model/failure.ts";
import {
  type SessionFilter,
  parseCount,
  parseTime,
} from "../../model/filter.ts";
import { ATTESTED, type Attested } from "../../model/reporter.ts";
import { STATUSES, type Session, type Status } from "../../model/session.ts";
import { withReadable } from "../../access/open.ts";
import { Output, writeOutput } from "../../os/output.ts";
import { requireNotOwn } from "../../access/own-files.ts";
import { isTerminal } from "../../os/proc.ts";
import { terminalWidth } from "../../os/width.ts";
import { localZone } from "../../os/zone.ts";
import { Csv } from "../../render/csv.ts";
import { JsonArray, sessionLine } from "../../render/json.ts";
import { SESSION_COLUMNS } from "../../render/session-table.ts";
import { NAME_CELLS, dropOrder, tabRow, table } from "../../render/table.ts";
import { note, wantsColor } from "../terminal.ts";

const ZONE = localZone(process.env);
const DEFAULT_LIMIT = 50;
const DROPPED = dropOrder(SESSION_COLUMNS).map(({ header }) => header);

export default defineCommand({
  meta: {
    name: "list-sessions",
    description: `Lists sessions, newest start first.

A TIME is 2026-02-06, 2026-02-06T12:34:56Z, today, 'yesterday 14:05', '2 hours ago',
-2d or @1770381296, or as date -Ins and date -R print it; without a zone it is local
(TZ, in every form that the C library takes).
At a terminal the newest ${DEFAULT_LIMIT} are shown unless --limit is given; a pipe gets all,
tab-separated, without a header. Where a terminal is too narrow ids are shortened to
their last 8 hex, which show-session takes, then names to ${NAME_CELLS} cells, and then
columns go, in this order: ${DROPPED.join(", ")}.
In CSV a text that begins with = + - @, a tab or a return gets a ' before it, so that
a spreadsheet does not compute it.

EXAMPLES
  session-buddy list-sessions --type admin_shell --limit 1
  session-buddy list-sessions --component mahavishnu --status active
  session-buddy list-sessions --after yesterday --format json | jq -r '.[].session_id'
  session-buddy list-sessions --after 2026-02-01 --before 2026-02-08 --output week.csv`,
  },
  args: {
    type: { type: "string", description: "Session type, such as admin_shell" },
    component: { type: "string", description: "Component name" },
    user: { type: "string", description: "User name" },
    name: { type: "string", description: "What shell --name said" },
    reporter: {
      type: "string",
      valueHint: "name",
      description: "Who reported it: spool, token:SUBJECT or uid:N",
    },
    attested: {
      type: "string",
      description: `How host and user are known: ${ATTESTED.join(", ")}`,
    },
    status: { type: "string", description: STATUSES.join(", ") },
    incomplete: {
      type: "boolean",
      description: "Only sessions whose end nobody saw: active or lost",
    },
    after: {
      type: "string",
      alias: "since",
      valueHint: "time",
      description: "Started at this time or later",
    },
    before: {
      type: "string",
      alias: "until",
      valueHint: "time",
      description: "Started before this time",
    },
    limit: {
      type: "string",
      alias: "n",
      valueHint: "count",
      description: "At most so many",
    },
    format: { type: "string", description: "table, json, ndjson or csv" },
    json: { type: "boolean", description: "The same as --format json" },
    output: {
      type: "string",
      alias: "o",
      valueHint: "file",
      description: "Write to this file, in the format that its name ends with",
    },
    wide: {
      type: "boolean",
      description: "All columns in full, however narrow the terminal is",
    },
    "csv-raw": {
      type: "boolean",
      description: "CSV with every text as it is, without a '",
    },
    color: {
      type: "boolean",
      default: true,
      description: "No colours at a terminal",
    },
    config: CONFIG_FLAG,
  },
  async run({ args }) {
    const format = formatOf(args);
    const form = { format, raw: args["csv-raw"] ?? false };
    const settings = await validSettings(process.env, args.config);
    const filter = filterOf(args);
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
    showTable(shown, capped, output, args);
  },
});

/** The forms for programs: rows go out as they come. */
async function writeRows(
  sessions: AsyncIterable<Session>,
  { format, raw }: { format: Format; raw: boolean },
  output: Output,
): Promise<void> {
  const form = FORMS[format](raw);
  for await (const session of sessions) output.write(form.row(session));
  output.write(form.end?.() ?? "");
  output.flush();
}

interface Form {
  row(session: Session): string;
  end?(): string;
}

/** @param raw CSV with every text as it is */
const FORMS = {
  table: (): Form => ({
    row: (session) => tabRow(SESSION_COLUMNS, session, ZONE),
  }),
  json: (): Form => new JsonArray(),
  ndjson: (): Form => ({ row: sessionLine }),
  csv: (raw: boolean): Form => new Csv(raw),
};
type Format = keyof typeof FORMS;

function showTable(
  sessions: Session[],
  capped: boolean,
  output: Output,
  { color, wide }: { color: boolean; wide?: boolean | undefined },
): void {
  const more = capped && sessions.length > DEFAULT_LIMIT;
  if (more) sessions.pop();
  if (sessions.length === 0) return note("no sessions match");
  const width = wide ? null : terminalWidth(1);
  const options = { color: wantsColor(color), zone: ZONE, width };
  output.write(table(SESSION_COLUMNS, sessions, options));
  output.flush();
  if (more) note(`only the newest ${DEFAULT_LIMIT} are shown (see --limit)`);
}

interface ListArgs {
  type?: string | undefined;
  component?: string | undefined;
  user?: string | undefined;
  name?: string | undefined;
  reporter?: string | undefined;
  attested?: string | undefined;
  status?: string | undefined;
  incomplete?: boolean | undefined;
  after?: string | undefined;
  before?: string | undefined;
  limit?: string | undefined;
  format?: string | undefined;
  json?: boolean | undefined;
  output?: string | undefined;
}

function formatOf({ format, json, output }: ListArgs): Format {
  const suffix = output?.slice(output.lastIndexOf(".") + 1);
  const wanted =
    format ?? (json ? "json" : isFormat(suffix) ? suffix : "table");
  if (isFormat(wanted) && (wanted === "json" || !json)) return wanted;
  throw new Failure(
    "usage",
    `--format takes ${Object.keys(FORMS).join(", ")}, not '${wanted}'`,
    "try: --format json",
  );
}

const isFormat = (text: string | undefined): text is Format =>
  text !== undefined && Object.hasOwn(FORMS, text);

function filterOf(args: ListArgs): SessionFilter {
  const now = Date.now();
  const time = (text: string) => parseTime(text, now, ZONE).toISOString();
  return {
    ...(args.type !== undefined && { session_type: args.type }),
    ...(args.component !== undefined && { component_name: args.component }),
    ...(args.user !== undefined && { username: args.user }),
    ...(args.name !== undefined && { name: args.name }),
    ...(args.reporter !== undefined && { reporter: args.reporter }),
    ...(args.attested !== undefined && {
      attested: attestedOf(args.attested),
    }),
    ...(args.status !== undefined && { status: statusOf(args.status) }),
    ...(args.incomplete && { incomplete: true }),
    ...(args.after !== undefined && { after: time(args.after) }),
    ...(args.before !== undefined && { before: time(args.before) }),
    ...(args.limit !== undefined && {
      limit: parseCount(args.limit, "--limit"),
    }),
  };
}

function statusOf(text: string): Status {
  const status = STATUSES.find((known) => known === text);
  if (status) return status;
  throw new Failure(
    "usage",
    `'${text}' is not a status`,
    `one of: ${STATUSES.join(", ")}`,
  );
}

function attestedOf(text: string): Attested {
  const attested = ATTESTED.find((known) => known === text);
  if (attested) return attested;
  throw new Failure(
    "usage",
    `--attested takes ${ATTESTED.join(", ")}, not '${text}'`,
    "try: --attested claimed",
  );
}
