/** `session-buddy search`: finds a text in whatever was recorded. */
import {
  defineCommand,
  COLOR_FLAG,
  CONFIG_FLAG,
  OUTPUT_FLAGS,
} from "../args.ts";
import { withReadable } from "../../access/open.ts";
import { requireNotOwn } from "../../access/own-files.ts";
import { validSettings } from "../../config/load.ts";
import { Failure, fail } from "../../model/failure.ts";
import { parseCount, parseTime } from "../../model/time.ts";
import { plainJson } from "../../model/json.ts";
import {
  type Hit,
  HIT_KEYS,
  type SearchFilter,
  hitJson,
} from "../../model/search.ts";
import { Output, terminalWidth, writeOutput } from "../../os/output.ts";
import { isTerminal } from "../../os/proc.ts";
import { localZone } from "../../os/zone.ts";
import { csvLine } from "../../render/csv.ts";
import { HIT_COLUMNS, HIT_EXCERPTS } from "../../render/hits.ts";
import { JsonArray } from "../../render/json.ts";
import { tabRow, table } from "../../render/table.ts";
import { note, wantsColor } from "../terminal.ts";

const ZONE = localZone(process.env);
const DEFAULT_LIMIT = 50;

export default defineCommand({
  description: `Finds a text in whatever was recorded, newest first.

It is looked for, upper and lower case alike, in commands, in notes, and in
the names, reasons, tags and metadata of sessions; FIELD says where it was
found. Time and exit status are those of the command, else of the session.

With --regex the text is a regular expression (RE2), and case counts unless it
begins with (?i). TIMEs are as list-sessions --help says.

At a terminal the newest ${DEFAULT_LIMIT} are shown unless --limit is given, with what
matches marked; a pipe gets all, as they are found, tab-separated, without a
header.

EXAMPLES
  session-buddy search OPS-1742
  session-buddy search 'terraform apply' --user les --after -30d
  session-buddy search --regex '^(sudo )?rm -r' --host web1 -n 10
  session-buddy search prefect --json | jq -r '.[].session_id'`,
  args: {
    text: { type: "positional", description: "What to look for" },
    regex: {
      type: "boolean",
      description: "The text is a regular expression (RE2)",
    },
    user: { type: "string", description: "In sessions of this user" },
    host: { type: "string", description: "In sessions on this host" },
    component: {
      type: "string",
      description: "In sessions of this component",
    },
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
    limit: {
      type: "string",
      alias: "n",
      valueHint: "count",
      description: "At most so many, the newest",
    },
    format: {
      type: "string",
      values: ["table", "json", "ndjson", "csv"],
      description: "table, json, ndjson or csv",
    },
    ...OUTPUT_FLAGS,
    color: COLOR_FLAG,
    config: CONFIG_FLAG,
  },
  async run(args) {
    const { text, user, host, component, after, before, limit } = args;
    if (!text)
      throw fail.usage(
        "search needs a text",
        "try: session-buddy search 'terraform apply'",
      );
    const format = formatOf(args);
    const settings = await validSettings(process.env, args.config);
    const now = Date.now();
    const time = (text: string) => parseTime(text, now, ZONE).toISOString();
    const filter: SearchFilter = {
      text,
      ...(args.regex && { regex: true }),
      ...(user !== undefined && { user }),
      ...(host !== undefined && { host }),
      ...(component !== undefined && { component }),
      ...(after !== undefined && { after: time(after) }),
      ...(before !== undefined && { before: time(before) }),
      ...(limit !== undefined && { limit: parseCount(limit, "--limit") }),
    };
    const form = FORMS[format](args["csv-raw"]);
    if (args.output !== undefined && args.output !== "-")
      return writeOutput(
        args.output,
        (path) => requireNotOwn(settings, path),
        (output) =>
          withReadable(settings, note, (store) =>
            write(store.search(filter), form, output),
          ).catch(asUsage),
      );
    const output = new Output();
    const person = format === "table" && isTerminal(1);
    if (person && limit === undefined) filter.limit = DEFAULT_LIMIT + 1;
    const shown = await withReadable(settings, note, (store) => {
      const hits = store.search(filter);
      return person
        ? Array.fromAsync(hits)
        : write(hits, form, output).then(() => null);
    }).catch(asUsage);
    // A terminal may be stopped for long: the store is free again by now.
    if (shown) showTable(shown, limit === undefined, output, args.color);
  },
});

/** The store alone knows what is a regular expression. */
function asUsage(error: unknown): never {
  if (
    error instanceof Failure &&
    / is no regular expression: /.test(error.message)
  )
    throw fail.usage(error.sentence, error.hint);
  throw error;
}

/** @param capped one more was asked for than is shown */
function showTable(
  hits: Hit[],
  capped: boolean,
  output: Output,
  color: boolean,
): void {
  const more = capped && hits.length > DEFAULT_LIMIT;
  if (more) hits.pop();
  if (hits.length === 0) return note("nothing matches");
  const options = { color: wantsColor(color), zone: ZONE };
  const width = terminalWidth(1);
  output.write(table(HIT_EXCERPTS, hits, { ...options, width }));
  output.flush();
  if (more) note(`only the newest ${DEFAULT_LIMIT} are shown (see --limit)`);
}

/** The forms for programs: rows go out as they are found. */
async function write(
  hits: AsyncIterable<Hit>,
  form: Form,
  output: Output,
): Promise<void> {
  output.write(form.begin?.() ?? "");
  for await (const hit of hits) {
    output.write(form.row(hit));
    output.flush();
  }
  output.write(form.end?.() ?? "");
  output.flush();
}

interface Form {
  begin?(): string;
  row(hit: Hit): string;
  end?(): string;
}

/** @param raw CSV with every text as it is */
const FORMS = {
  table: (): Form => ({ row: (hit) => tabRow(HIT_COLUMNS, hit, ZONE) }),
  json: (): Form => new JsonArray(hitJson),
  ndjson: (): Form => ({ row: (hit) => `${plainJson(hitJson(hit))}\n` }),
  csv: (raw: boolean): Form => ({
    begin: () => csvLine(HIT_KEYS),
    row: (hit) =>
      csvLine(
        HIT_KEYS.map((key) => hit[key]),
        raw,
      ),
  }),
};
type Format = keyof typeof FORMS;

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
