/** search: whatever was recorded with a text in it, newest first, a page at a time. */
import { z } from "zod";
import { hitCursor, readHitCursor } from "../../model/cursor.ts";
import { fail } from "../../model/failure.ts";
import {
  SEARCHED_PLACES,
  type SearchFilter,
  hitJson,
} from "../../model/search.ts";
import {
  DEFAULT_ROWS,
  count,
  cursor,
  flag,
  limit,
  orNull,
  page,
  text,
} from "./fields.ts";
import { timesOf, when } from "./session-filter.ts";
import { tool } from "./tool.ts";

const hit = z.object({
  session_id: text,
  component_name: orNull,
  username: orNull,
  hostname: orNull,
  field: text,
  time: text,
  text,
  matches: z.array(text),
  exit_code: z.int().nullable(),
  event_seq: count.nullable(),
  recording_ms: count.nullable(),
  recording_line: count.nullable(),
});

export const search = tool({
  name: "search",
  title: "Search commands and sessions",
  description:
    'Everything that was recorded with a text in it, newest first: commands, notes, what recorded terminals showed (output), names, reasons, tags and metadata of sessions, each with its session, user, host, time and exit status; field says which it is, and recording_ms how far into the recording a line of output was shown. Use it when only a word is known: a host, a ticket, a file, an error; then get_session shows what was around it, and query_sessions over output the lines around a line (recording_line). Example: {"text":"OPS-1742","after":"-30d"}',
  access: "read",
  input: z.strictObject({
    text: text.describe("What to look for, upper and lower case alike"),
    regex: flag
      .optional()
      .describe("The text is a regular expression (RE2), and case counts"),
    in: z
      .enum(SEARCHED_PLACES)
      .optional()
      .describe("Only in these; sessions are names, reasons, tags, metadata"),
    user: text.optional().describe("In sessions of this user"),
    host: text.optional().describe("In sessions on this host"),
    component: text.optional().describe("In sessions of this component"),
    after: when("Began at or after"),
    before: when("Began before"),
    limit: limit.describe("Hits at most, 1 to 10000; 50 when left out"),
    cursor,
  }),
  output: z.object({ hits: z.array(hit), count, next_cursor: orNull }),
  run:
    ({ store }) =>
    async (args, { received_ms, caller }) => {
      const { text, regex, user, host, component, cursor } = args;
      const { limit = DEFAULT_ROWS } = args;
      if (text === "")
        throw fail.refused("text: there is nothing to look for in it");
      const filter: SearchFilter = {
        text,
        ...timesOf(args, received_ms),
        ...(regex && { regex }),
        ...(args.in !== undefined && { in: args.in }),
        ...(user !== undefined && { user }),
        ...(host !== undefined && { host }),
        ...(component !== undefined && { component }),
        ...(cursor !== undefined && { from: readHitCursor(cursor) }),
      };
      const { rows, more } = await page(
        store.search({ ...filter, limit: limit + 1 }, caller.gone),
        limit,
        (hit) => hit,
      );
      return {
        hits: rows.map(hitJson),
        count: rows.length,
        next_cursor: more ? hitCursor(rows.at(-1)!) : null,
      };
    },
});
