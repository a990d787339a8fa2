/** list_sessions: the sessions that match, a page at a time. */
import { z } from "zod";
import { readSessionCursor, sessionCursor } from "../../model/cursor.ts";
import { sessionJson } from "../../model/json.ts";
import {
  count,
  cursor,
  DEFAULT_ROWS,
  flag,
  lenient,
  limit,
  orNull,
  page,
} from "./fields.ts";
import { sessionFilterOf, sessionFilter, session } from "./session-filter.ts";
import { tool } from "./tool.ts";

export const listSessions = tool({
  name: "list_sessions",
  title: "List shell sessions",
  description:
    'Sessions that match, newest first: who worked where, with what, when, and how it ended. Use it to find a session or to see what happened lately; at says who was in at a moment; ask for the next page with next_cursor. Example: {"type":"admin_shell","user":"les","after":"yesterday","limit":20}, or {"host":"ops-1","at":"yesterday 14:05"}',
  access: "read",
  input: z.strictObject({
    ...sessionFilter,
    limit: limit.describe("Rows at most, 1 to 10000; 50 when left out"),
    reverse: flag.optional().describe("Oldest first"),
    offset: lenient(z.int().nonnegative())
      .optional()
      .describe("So many rows are left out; without a cursor alone"),
    cursor,
  }),
  output: z.object({
    sessions: z.array(z.object(session)),
    count,
    next_cursor: orNull,
  }),
  run:
    ({ store }) =>
    async (args, { received_ms }) => {
      const { cursor, offset, reverse, limit = DEFAULT_ROWS, ...asked } = args;
      const filter = sessionFilterOf(asked, received_ms);
      if (reverse) filter.reverse = reverse;
      if (cursor !== undefined) filter.from = readSessionCursor(cursor);
      else if (offset !== undefined) filter.offset = offset;
      const { rows, more } = await page(
        store.list({ ...filter, limit: limit + 1 }),
        limit,
        sessionJson,
      );
      const last = rows.at(-1) as { start_time: string; session_id: string };
      return {
        sessions: rows,
        count: rows.length,
        next_cursor: more ? sessionCursor(last) : null,
      };
    },
});
