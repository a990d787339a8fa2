/** `session-buddy import`: the events of an export, each once. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { ExportFolder } from "../../access/export-folder.ts";
import { importEvents } from "../../access/import.ts";
import { validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { note, printResult } from "../terminal.ts";

export default defineCommand({
  description: `Brings the events of an export into the database of this host, each once.

All parts are looked through before anything is stored; the same export again
stores nothing. Who reported a session, and how its host and user are known, is
taken from the export as it stands: import only what you exported yourself.
Nobody else may be able to write to the folder. Secrets that are still in it are
taken out. Sessions that ran when the export was made are lost, until a later
import brings their ends; those of which this host's spool has files are left to
it.

EXAMPLES
  session-buddy import ~/sessions
  session-buddy import --json ~/sessions | jq .stored`,
  args: {
    folder: { type: "positional", description: "What export has written" },
    json: { type: "boolean", description: "Print the result as JSON" },
    config: CONFIG_FLAG,
  },
  async run(args) {
    if (!args.folder)
      throw fail.usage(
        "import needs a folder",
        "try: session-buddy import sessions-export",
      );
    const settings = await validSettings(process.env, args.config);
    using folder = ExportFolder.open(args.folder, false);
    const done = await importEvents(settings, folder, note);
    const { events, stored, duplicates, spooled, rejected, lost, reason } =
      done;
    const left = [
      [duplicates, "were there already"],
      [spooled, "are brought by this host's spool"],
      [rejected, "were rejected"],
    ] as const;
    const words = [
      `imported: ${stored} of ${events} events`,
      ...left.flatMap(([n, what]) => (n > 0 ? [`left: ${n} ${what}`] : [])),
      ...(lost > 0 ? [`lost: ${lost} sessions that ran then`] : []),
    ];
    printResult(args.json, done, `${words.join("\n")}\n`);
    if (rejected === 0) return 0;
    note(`${rejected} events were rejected, the first: ${reason}`);
    return 1;
  },
});
