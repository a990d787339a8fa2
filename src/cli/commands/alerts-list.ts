/** `session-buddy alerts list`: the alerts that the server has raised. */
import { defineCommand, COLOR_FLAG, CONFIG_FLAG, JSON_FLAG } from "../args.ts";
import { withDocuments } from "../../access/open-store.ts";
import { AlertBooks } from "../../alerts/books.ts";
import { requireAlertsHere } from "../../alerts/kept.ts";
import { validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { parseCount } from "../../model/time.ts";
import { terminalWidth } from "../../os/output.ts";
import { isTerminal } from "../../os/proc.ts";
import { localZone } from "../../os/zone.ts";
import { ALERT_COLUMNS } from "../../render/alerts.ts";
import { localTime } from "../../render/format.ts";
import { tabRow, table } from "../../render/table.ts";
import { note, printResult, wantsColor } from "../terminal.ts";

const ZONE = localZone(process.env);

export default defineCommand({
  description: `Shows the alerts that the server has raised, newest first.

Those that somebody has taken note of are left out, see alerts ack. Under TOLD
are the channels; one that could not be told yet has the number of attempts, and
--json the reason. A server keeps the newest 1000. None has to run.

EXAMPLES
  session-buddy alerts list
  session-buddy alerts list --all --rule failed -n 5
  session-buddy alerts list --json | jq -r '.[].text'`,
  args: {
    all: { type: "boolean", description: "Also those that are acked" },
    rule: {
      type: "string",
      valueHint: "name",
      description: "Those of this rule",
    },
    limit: {
      type: "string",
      alias: "n",
      valueHint: "count",
      description: "At most so many",
    },
    json: JSON_FLAG,
    color: COLOR_FLAG,
    config: CONFIG_FLAG,
  },
  async run({ all, rule, limit, json, color, config }) {
    const most = limit === undefined ? Infinity : parseCount(limit, "--limit");
    const settings = await validSettings(process.env, config);
    requireAlertsHere(settings);
    const rules = Object.keys(settings.alerts?.rules ?? {});
    const unreadable = (name: string, reason: string) =>
      note(`${name} holds no alert: ${reason}`);
    const { kept, left } = await withDocuments(
      settings,
      "alerts",
      async (places) => {
        const books = new AlertBooks(places);
        return {
          kept: await books.read(unreadable),
          left: await books.leftOut(new Set(rules)),
        };
      },
    );
    if (
      rule !== undefined &&
      ![...rules, ...kept.map((a) => a.rule)].includes(rule)
    )
      throw fail.not_found(
        `there is no rule '${rule}'`,
        rules.length > 0
          ? `known: ${rules.join(", ")}`
          : "see: session-buddy alerts --help",
      );
    const alerts = kept
      .filter((alert) => all || alert.acked === null)
      .filter((alert) => rule === undefined || alert.rule === rule)
      .reverse()
      .slice(0, most);
    const text = isTerminal(1)
      ? table(ALERT_COLUMNS, alerts, {
          ...{ color: wantsColor(color), zone: ZONE, width: terminalWidth(1) },
        })
      : alerts.map((row) => tabRow(ALERT_COLUMNS, row, ZONE)).join("");
    printResult(json, alerts, text, 2);
    for (const [name, { left_out, first }] of left)
      note(
        `rule '${name}' has left out ${left_out} more since ${localTime(first!, ZONE)}`,
      );
    if (rules.length === 0 && isTerminal(2))
      note("the configuration has no rules (see: session-buddy alerts --help)");
  },
});
