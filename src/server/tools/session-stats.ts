/** session_stats: how many sessions match, and what they come to. */
import { z } from "zod";
import { count, orNull, seconds, text } from "./fields.ts";
import { sessionFilterOf, sessionFilter } from "./session-filter.ts";
import { tool } from "./tool.ts";

export const sessionStats = tool({
  name: "session_stats",
  title: "Count and sum up sessions",
  description:
    'How many sessions match, by status and by component, how many failed, and how long they took. Use it instead of counting rows of list_sessions. Example: {"after":"-7d","component":"mahavishnu"}',
  access: "read",
  input: z.strictObject(sessionFilter),
  output: z.object({
    sessions: count,
    by_status: z.object({ active: count, ended: count, lost: count }),
    failed: count,
    duration_seconds: z
      .object({
        total: seconds,
        mean: seconds,
        median: seconds,
        p95: seconds,
        max: seconds,
      })
      .nullable(),
    by_component: z.array(
      z.object({ component_name: text, sessions: count, failed: count }),
    ),
    first_start: orNull,
    last_start: orNull,
  }),
  run:
    ({ store }) =>
    (args, { received_ms }) =>
      store.stats(sessionFilterOf(args, received_ms)),
});
