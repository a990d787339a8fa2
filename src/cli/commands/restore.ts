/** `session-buddy restore`: replaces the database by a backup. */
import { defineCommand, CONFIG_FLAG, YES_FLAG } from "../args.ts";
import { validSettings } from "../../config/load.ts";
import { requireHere } from "../../access/open.ts";
import { fail } from "../../model/failure.ts";
import { escapeText } from "../../render/escape.ts";
import { Candidate } from "../../access/restore.ts";
import { confirm, note, printResult } from "../terminal.ts";

export default defineCommand({
  description: `Puts a backup in the place of the database.

A copy of the file is checked first: it opens, its schema is known, and its
sessions are what their events come to. What the spool still holds is brought to
it. The database from before is kept beside it. A running server has to be
stopped first.

EXAMPLES
  session-buddy restore /backup/sessions.duckdb
  session-buddy mcp stop; session-buddy restore --yes /backup/sessions.duckdb`,
  args: {
    file: { type: "positional", description: "The backup" },
    yes: YES_FLAG,
    json: { type: "boolean", description: "Print the result as JSON" },
    config: CONFIG_FLAG,
  },
  async run(args) {
    if (!args.file)
      throw fail.usage(
        "restore needs a file",
        "give one that `session-buddy backup` wrote",
      );
    const settings = await validSettings(process.env, args.config);
    requireHere(settings);
    const candidate = await Candidate.of(settings, args.file, note);
    try {
      const { sessions, events } = candidate.verified;
      const question = `'${args.file}' is good: ${sessions} sessions, ${events} events. Put it in the place of the database?`;
      if (!confirm(question, args.yes)) return 1;
      const done = await candidate.take(note);
      printResult(args.json, done, words(done));
      return 0;
    } finally {
      candidate.discard();
    }
  },
});

function words(done: Awaited<ReturnType<Candidate["take"]>>): string {
  const { sessions, events, compared, kept, drained, lost } = done;
  const lines = [
    `restored: ${sessions} sessions, ${events} events (${compared} sessions compared with their events)`,
    `from the spool: ${drained} events`,
  ];
  if (lost > 0)
    lines.push(`lost: ${lost} sessions ran then, and their ends are not here`);
  if (kept !== null)
    lines.push(`the database from before: ${escapeText(kept)}`);
  return lines.map((line) => `${line}\n`).join("");
}
