/** `session-buddy list-events`: the events themselves, as they were recorded. */
import { defineCommand, COLOR_FLAG, CONFIG_FLAG } from "../args.ts";
import { formatOf } from "../format.ts";
import { withReadable } from "../../access/open.ts";
import { validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import type { EventFilter } from "../../model/filter.ts";
import { parseCount, parseTime } from "../../model/time.ts";
import { isSessionId } from "../../model/id.ts";
import { findSession, noSession } from "../../model/reference.ts";
import type { SessionStore, StoredEvent } from "../../model/store.ts";
import { Output, terminalWidth } from "../../os/output.ts";
import { isTerminal } from "../../os/proc.ts";
import { localZone } from "../../os/zone.ts";
import { noneFound } from "../../render/asked.ts";
import { EVENT_COLUMNS, eventLine } from "../../render/events.ts";
import { JsonArray } from "../../render/json.ts";
import { tabRow, table } from "../../render/table.ts";
import { note, wantsColor } from "../terminal.ts";

const ZONE = localZone(process.env);
const DEFAULT_LIMIT = 50;
const FORMATS = ["table", "json", "ndjson"] as const;
type Format = (typeof FORMATS)[number];

export default defineCommand({
  description: `Lists events in the order of their arrival: what sessions are made of.

At a terminal the newest ${DEFAULT_LIMIT} are shown unless --limit is given; a pipe gets all,
tab-separated, without a header. --after-seq goes on where another list ended.

EXAMPLES
  session-buddy list-events
  session-buddy list-events 1a2b3c4d --kind command_start --kind command_end
  session-buddy list-events --after today --json | jq -r '.[].event.text'`,
  args: {
    id: {
      type: "positional",
      description:
        "Of one session: its id, a unique prefix of it, its last 8 hex, or its name",
    },
    "session-id": {
      type: "string",
      valueHint: "id",
      description: "The same as the word",
    },
    kind: {
      type: "string",
      multiple: true,
      description: "Of this kind alone, session_start…; may be given again",
    },
    after: {
      type: "string",
      alias: "since",
      valueHint: "time",
      description: "Happened at or after",
    },
    before: {
      type: "string",
      alias: "until",
      valueHint: "time",
      description: "Happened before",
    },
    "after-seq": {
      type: "string",
      valueHint: "seq",
      description: "Arrived after the event of this number",
    },
    limit: {
      type: "string",
      alias: "n",
      valueHint: "count",
      description: "At most so many, the first",
    },
    format: {
      type: "string",
      values: FORMATS,
      description: FORMATS.join(", "),
    },
    json: { type: "boolean", description: "The same as --format json" },
    color: COLOR_FLAG,
    config: CONFIG_FLAG,
  },
  async run(args) {
    const format = formatOf(FORMATS, args);
    const settings = await validSettings(process.env, args.config);
    const now = Date.now();
    const time = (text: string) => parseTime(text, now, ZONE).toISOString();
    const { after, before, limit, kind } = args;
    const named = args["session-id"];
    if (named !== undefined && args.id !== undefined)
      throw fail.usage(
        "list-events has an id and --session-id",
        "leave one out",
      );
    const id = args.id ?? named;
    // An unset variable in a script shall not mean all sessions.
    if (id === "")
      throw fail.usage("the session's id is empty", "leave it out for all");
    const after_seq = args["after-seq"];
    const filter: EventFilter = {
      ...(kind.length > 0 && { kinds: kind }),
      ...(after !== undefined && { after: time(after) }),
      ...(before !== undefined && { before: time(before) }),
      ...(after_seq !== undefined && {
        after_seq: parseCount(after_seq, "--after-seq"),
      }),
      ...(limit !== undefined && { limit: parseCount(limit, "--limit") }),
    };
    const output = new Output();
    const person = format === "table" && isTerminal(1);
    const shown = await withReadable(settings, note, async (store) => {
      if (id !== undefined) filter.session_id = await sessionOf(store, id);
      const events = store.events(filter);
      return person
        ? newest(events, limit === undefined ? DEFAULT_LIMIT : Infinity)
        : write(events, format, output);
    });
    if (!shown) return;
    // A terminal may be stopped for long: the store is free again by now.
    const { events, more } = shown;
    if (events.length === 0)
      return note(noneFound("no events match", filter, now, ZONE));
    const width = terminalWidth(1);
    const options = { color: wantsColor(args.color), zone: ZONE, width };
    output.write(table(EVENT_COLUMNS, events, options));
    output.flush();
    if (more) note(`only the newest ${DEFAULT_LIMIT} are shown (see --limit)`);
  },
});

/** A whole id as it is: events may have come whose session has not begun. */
async function sessionOf(store: SessionStore, id: string): Promise<string> {
  if (isSessionId(id)) return id;
  const session = await findSession(store, id);
  if (session) return session.session_id;
  throw noSession(id, "try: session-buddy list-sessions");
}

async function newest(
  all: AsyncIterable<StoredEvent>,
  most: number,
): Promise<{ events: StoredEvent[]; more: boolean }> {
  const events: StoredEvent[] = [];
  let more = false;
  for await (const event of all) {
    events.push(event);
    if (events.length <= most) continue;
    events.shift();
    more = true;
  }
  return { events, more };
}

/** The forms for programs: rows go out as they come. */
async function write(
  events: AsyncIterable<StoredEvent>,
  format: Format,
  output: Output,
): Promise<null> {
  const array = new JsonArray<StoredEvent>((stored) => stored);
  for await (const event of events)
    output.write(
      format === "json"
        ? array.row(event)
        : format === "ndjson"
          ? eventLine(event)
          : tabRow(EVENT_COLUMNS, event, ZONE),
    );
  if (format === "json") output.write(array.end());
  output.flush();
  return null;
}
