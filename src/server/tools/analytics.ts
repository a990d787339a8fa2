/** analytics: what sessions and commands come to, by period, component, host, program. */
import { z } from "zod";
import {
  METRIC_NAMES,
  MOST_ROWS,
  PERIODS,
  type FigureRow,
  type Question,
  daysBefore,
  offsetsOf,
  periodFor,
  requireFewPeriods,
  requireOffsets,
} from "../../model/analytics.ts";
import { isoTime } from "../../model/clock.ts";
import { localZone } from "../../os/zone.ts";
import { count, integer, lenient, text } from "./fields.ts";
import { sessionFilter, sessionFilterOf } from "./session-filter.ts";
import { tool } from "./tool.ts";

const DEFAULT_DAYS = 30;
const DEFAULT_ROWS = 20;
const MAX_DAYS = 36_500;

const { type, component, user, host, after, before } = sessionFilter;

export const analytics = tool({
  name: "analytics",
  title: "Analyse sessions and commands",
  description:
    'What sessions and commands come to: sessions, duration and unique_users by period of local time, peak_hours by hour of the day, components and hosts, errors (how sessions failed), active (who is in now), commands by program, the slowest commands, and those failing most (failing). Use it for how much, how often and how long; list_commands and list_sessions have the single ones. Example: {"metric":"failing","days":1}',
  access: "read",
  input: z.strictObject({
    metric: z.enum(METRIC_NAMES).describe("The question"),
    period: z
      .enum(PERIODS)
      .optional()
      .describe(
        "Of sessions, duration, unique_users; by the time in all if left out",
      ),
    days: lenient(z.int().min(0).max(MAX_DAYS))
      .optional()
      .describe("Today and so many days before; 30 when left out"),
    ...{ type, component, user, host, after, before },
    limit: lenient(z.int().min(1).max(MOST_ROWS))
      .optional()
      .describe("Rows at most, where they are no periods; 20 when left out"),
    utc_offsets: z
      .array(z.strictObject({ from: text.nullable(), minutes: integer }))
      .optional()
      .describe(
        "Local time: minutes ahead of UTC, each from a moment on, the first from null; the server's when left out",
      ),
  }),
  output: z.object({
    metric: text,
    period: text,
    after: text,
    before: text,
    rows: z.array(z.custom<FigureRow>().meta({ type: "object" })),
    count,
  }),
  run:
    ({ store }) =>
    async (args, { received_ms, caller }) => {
      const { metric, days = DEFAULT_DAYS, limit = DEFAULT_ROWS } = args;
      const { type, component, user, host, after, before } = args;
      const zone = localZone(process.env);
      const asked = sessionFilterOf(
        { type, component, user, host, after, before },
        received_ms,
      );
      const sessions = {
        ...asked,
        after: asked.after ?? isoTime(daysBefore(received_ms, days, zone)),
        before: asked.before ?? isoTime(received_ms + 1),
      };
      const question: Question = {
        ...{ metric, sessions, limit },
        period: args.period ?? periodFor(sessions),
        offsets:
          args.utc_offsets ??
          offsetsOf(
            ...[zone, Date.parse(sessions.after), Date.parse(sessions.before)],
          ),
      };
      requireOffsets(question.offsets);
      requireFewPeriods(question);
      const rows = await store.analytics(question, caller.gone);
      const { period } = question;
      return {
        ...{ metric, period, after: sessions.after, before: sessions.before },
        ...{ rows, count: rows.length },
      };
    },
});
