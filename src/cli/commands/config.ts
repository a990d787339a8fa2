/** `session-buddy config`: the settings that hold, and where each comes from. */
import { defineCommand, COLOR_FLAG, CONFIG_FLAG, JSON_FLAG } from "../args.ts";
import { type Effective, effectiveSettings } from "../../config/effective.ts";
import { describe } from "../../config/load.ts";
import { EXIT_STATUS } from "../../model/failure.ts";
import { UTC } from "../../model/clock.ts";
import { terminalWidth } from "../../os/output.ts";
import { isTerminal } from "../../os/proc.ts";
import { type Column, tabRow, table } from "../../render/table.ts";
import { note, printResult, wantsColor } from "../terminal.ts";

const CHANGED = "\x1b[1m";

const COLUMNS: readonly Column<Effective>[] = [
  { header: "KEY", value: ({ key }) => key },
  {
    header: "FROM",
    value: ({ from }) => from,
    color: ({ from }) => (from === "default" ? "" : CHANGED),
  },
  {
    header: "VALUE",
    value: ({ value }) =>
      typeof value === "string" ? value : JSON.stringify(value),
    text: true,
  },
];

export default defineCommand({
  description: `Shows the settings that hold, and where each comes from.

Later wins: defaults, /etc/session-buddy/config.yaml, the user's file
(config.yaml in session-buddy below ~/.config or XDG_CONFIG_HOME), --config or
SESSION_BUDDY_CONFIG, the environment, and then the flags of a command. A file
is named with the line. Of a secret it is said that it is set, not what it is.

With --check nothing is shown: what is wrong is told, each with file, line and
key, and the exit status is 5.

EXAMPLES
  session-buddy config
  session-buddy config | awk '$2 != "default"'
  session-buddy config --check --config /etc/session-buddy/config.yaml`,
  args: {
    check: { type: "boolean", description: "Only whether they are right" },
    json: JSON_FLAG,
    color: COLOR_FLAG,
    config: CONFIG_FLAG,
  },
  async run({ check, json, color, config }) {
    const { settings, values } = await effectiveSettings(process.env, config);
    if (!check) printResult(json, values, tableOf(values, color), 2);
    for (const ignored of settings.paths.ignored) note(ignored);
    for (const problem of settings.problems)
      note((await describe(problem)).message);
    return settings.problems.length > 0 ? EXIT_STATUS.config : 0;
  },
});

function tableOf(values: readonly Effective[], color: boolean): string {
  if (!isTerminal(1))
    return values.map((row) => tabRow(COLUMNS, row, UTC)).join("");
  return table(COLUMNS, values, {
    ...{ color: wantsColor(color), zone: UTC, width: terminalWidth(1) },
  });
}
