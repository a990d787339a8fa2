/** `session-buddy mcp logs`: shows the server's log. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { statePaths, validSettings } from "../../config/load.ts";
import { followLog } from "../../log/tail.ts";
import { logFile } from "../../log/log.ts";
import { fail } from "../../model/failure.ts";
import { isMissing } from "../../os/file.ts";
import type { Zone } from "../../model/clock.ts";
import { Output } from "../../os/output.ts";
import { trustedPath } from "../../os/trust.ts";
import { localZone } from "../../os/zone.ts";
import { logLine } from "../../render/log.ts";
import { note } from "../terminal.ts";

const MAX_LINES = 1_000_000;

export default defineCommand({
  description: `Shows the end of the server's log, also once it has stopped.

What a line holds of others is escaped; tokens are never in it.

EXAMPLES
  session-buddy mcp logs
  session-buddy mcp logs -f
  session-buddy mcp logs -n 1000 --json | jq 'select(.level == "error")'`,
  args: {
    follow: {
      type: "boolean",
      alias: "f",
      description: "Go on as it grows, until interrupted",
    },
    lines: {
      type: "string",
      alias: "n",
      default: "100",
      valueHint: "count",
      description: "How many of its last lines (default: 100)",
    },
    json: { type: "boolean", description: "The lines as they are: JSON" },
    config: CONFIG_FLAG,
  },
  async run(args) {
    const lines = linesOf(args.lines);
    const settings = await validSettings(process.env, args.config);
    const { logs } = statePaths(settings);
    trustedPath(logs);
    if (isMissing(logFile(logs, 0)))
      note(`there is no log in '${logs}' yet (try: session-buddy mcp start)`);
    const output = new Output();
    const zone = localZone(process.env);
    await followLog(logs, lines, args.follow, (text) => {
      output.write(args.json ? text : readable(text, zone));
      output.flush();
    });
  },
});

/** @param text whole lines */
function readable(text: string, zone: Zone): string {
  return text.replace(/[^\n]+/g, (line) => logLine(line, zone));
}

function linesOf(text: string): number {
  const lines = /^\d+$/.test(text) ? Number(text) : NaN;
  if (lines <= MAX_LINES) return lines;
  throw fail.usage(
    `--lines takes a whole number up to ${MAX_LINES}, not '${text}'`,
    "try: -n 100",
  );
}
