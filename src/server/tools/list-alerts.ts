/** list_alerts: what the server has raised alerts of, newest first. */
import { z } from "zod";
import { DEFAULT_ROWS, count, flag, limit, object, text } from "./fields.ts";
import { tool } from "./tool.ts";

export const listAlerts = tool({
  name: "list_alerts",
  title: "List alerts",
  description:
    'The alerts that the server has raised by the rules of its configuration, newest first, those left out that somebody has taken note of: a sentence each, with its rule, its session, and who was told. Use it to see what wants attention; get_session then shows what was around it. Example: {"rule":"failed","limit":5}',
  access: "read",
  input: z.strictObject({
    rule: text.optional().describe("Of this rule"),
    all: flag.optional().describe("Also those that are acked"),
    limit: limit.describe("Alerts at most, 1 to 10000; 50 when left out"),
  }),
  output: z.object({ alerts: z.array(object), count }),
  run:
    ({ alerts }) =>
    async ({ rule, all, limit = DEFAULT_ROWS }) => {
      const kept = (await alerts())
        .filter((alert) => all || alert.acked === null)
        .filter((alert) => rule === undefined || alert.rule === rule)
        .reverse()
        .slice(0, limit);
      return { alerts: kept, count: kept.length };
    },
});
