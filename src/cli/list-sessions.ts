/** `session-buddy list-sessions`: which sessions there were. */
import { defineCommand } from "citty";
import { loadSettings, requireValid } from "../config.ts";
import { Failure } from "../model/failure.ts";
import { type SessionFilter, parseCount, parseTime } from "../model/filter.ts";
import { STATUSES, type Session, type Status } from "../model/session.ts";
import { withStore } from "../open.ts";
import { Output } from "../os/output.ts";
import { isTerminal } from "../os/proc.ts";
import { JsonArray } from "../render/json.ts";
import { tabRow, table } from "../render/table.ts";
import { note, wantsColor } from "../talk.ts";

const DEFAULT_LIMIT = 50;

export default defineCommand({
  meta: {
    name: "list-sessions",
    description: `Lists sessions, newest start first.

A TIME is 2026-02-06, 2026-02-06T12:34:56Z, today, 'yesterday 14:05', '2 hours ago'
or -2d; without a zone it is local.
At a terminal the newest ${DEFAULT_LIMIT} are shown unless --limit is given; a pipe gets all,
tab-separated, without a header.

EXAMPLES
  session-buddy list-sessions --type admin_shell --limit 1
  session-buddy list-sessions --component mahavishnu --status active
  session-buddy list-sessions --after yesterday --format json | jq -r '.[].session_id'`,
  },
  args: {
    type: { type: "string", description: "Session type, such as admin_shell" },
    component: { type: "string", description: "Component name" },
    user: { type: "string", description: "User name" },
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
    format: { type: "string", description: "table or json" },
    json: { type: "boolean", description: "The same as --format json" },
    color: {
      type: "boolean",
      default: true,
      description: "No colours at a terminal",
    },
    config: {
      type: "string",
      valueHint: "file",
      description: "Read this configuration too",
    },
  },
  async run({ args }) {
    const json = formatOf(args) === "json";
    const settings = loadSettings(process.env, args.config);
    await requireValid(settings);
    const filter = filterOf(args);
    const person = !json && isTerminal(1);
    const capped = person && filter.limit === undefined;
    if (capped) filter.limit = DEFAULT_LIMIT + 1;
    const output = new Output();
    const shown = await withStore(settings, note, async (store) => {
      const rows = store.list(filter);
      if (person) return Array.fromAsync(rows);
      const array = new JsonArray();
      for await (const row of rows)
        output.write(json ? array.row(row) : tabRow(row));
      if (json) output.write(array.end());
      output.flush();
      return null;
    });
    // A terminal may be stopped for long: the store is free again by now.
    if (shown) showTable(shown, capped, output, args.color);
  },
});

function showTable(
  sessions: Session[],
  capped: boolean,
  output: Output,
  color: boolean,
): void {
  const more = capped && sessions.length > DEFAULT_LIMIT;
  if (more) sessions.pop();
  if (sessions.length === 0) return note("no sessions match");
  output.write(table(sessions, wantsColor(color)));
  output.flush();
  if (more) note(`only the newest ${DEFAULT_LIMIT} are shown (see --limit)`);
}

interface ListArgs {
  type?: string | undefined;
  component?: string | undefined;
  user?: string | undefined;
  status?: string | undefined;
  incomplete?: boolean | undefined;
  after?: string | undefined;
  before?: string | undefined;
  limit?: string | undefined;
  format?: string | undefined;
  json?: boolean | undefined;
}

function formatOf({ format, json }: ListArgs): string {
  const wanted = format ?? (json ? "json" : "table");
  if (wanted === "json" || (wanted === "table" && !json)) return wanted;
  throw new Failure(
    "usage",
    `--format takes table or json, not '${wanted}'`,
    "try: --format json",
  );
}

function filterOf(args: ListArgs): SessionFilter {
  const now = Date.now();
  const time = (text: string) => parseTime(text, now).toISOString();
  return {
    ...(args.type !== undefined && { session_type: args.type }),
    ...(args.component !== undefined && { component_name: args.component }),
    ...(args.user !== undefined && { username: args.user }),
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
