/** list_events: the recorded events, in the order of their arrival. */
import { z } from "zod";
import { eventCursor, readEventCursor } from "../../model/cursor.ts";
import type { EventFilter } from "../../model/filter.ts";
import { isSessionId } from "../../model/id.ts";
import {
  count,
  lenient,
  object,
  orNull,
  text,
  DEFAULT_ROWS,
  cursor,
  limit,
  page,
} from "./fields.ts";
import { sessionNamed, timesOf, when } from "./session-filter.ts";
import { tool } from "./tool.ts";

export const listEvents = tool({
  name: "list_events",
  title: "List events",
  description:
    'The recorded events in the order of their arrival, as they were stored and by whom they were brought. Use it to follow along (after_seq) or to look behind a session. Example: {"session_id":"mahavishnu-20260206-123456-550e8400","kinds":["command_start"]}',
  access: "read",
  input: z.strictObject({
    session_id: text.optional().describe("Of this session alone"),
    kinds: z
      .array(text)
      .max(20)
      .optional()
      .describe("session_start, command_start, command_end, session_end…"),
    after: when("Happened at or after"),
    before: when("Happened before"),
    after_seq: lenient(z.int().min(0))
      .optional()
      .describe(
        "Only what arrived after the event of this seq, to follow along",
      ),
    limit: limit.describe("Events at most, 1 to 10000; 50 when left out"),
    cursor,
  }),
  output: z.object({
    events: z.array(
      z.object({
        seq: count,
        received_at: text,
        provenance: object.nullable(),
        event: object,
      }),
    ),
    count,
    next_cursor: orNull,
  }),
  run:
    ({ store }) =>
    async (args, { received_ms }) => {
      const { cursor, limit = DEFAULT_ROWS, session_id, kinds } = args;
      const filter: EventFilter = timesOf(args, received_ms);
      // A whole id as it is: events may have come whose session has not begun.
      if (session_id !== undefined)
        filter.session_id = isSessionId(session_id)
          ? session_id
          : (await sessionNamed(store, session_id)).session_id;
      if (kinds !== undefined) filter.kinds = kinds;
      const seqs = [args.after_seq, cursor && readEventCursor(cursor)];
      const after = seqs.filter((seq) => typeof seq === "number");
      if (after.length > 0) filter.after_seq = Math.max(...after);
      const { rows, more } = await page(
        store.events({ ...filter, limit: limit + 1 }),
        limit,
        (event) => event,
      );
      return {
        events: rows,
        count: rows.length,
        next_cursor: more ? eventCursor(rows.at(-1)!.seq) : null,
      };
    },
});
