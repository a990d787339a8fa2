/** `session-buddy backup`: a copy of the database, whoever has it open. */
import { resolve } from "node:path";
import { defineCommand } from "citty";
import { CONFIG_FLAG } from "../args.ts";
import { validSettings } from "../config.ts";
import { Failure } from "../model/failure.ts";
import { plainJson } from "../model/json.ts";
import { withKeeping } from "../keep.ts";
import { Output } from "../os/output.ts";
import { escapeText } from "../render/escape.ts";
import { bytes } from "../render/format.ts";
import { note } from "../talk.ts";

export default defineCommand({
  meta: {
    name: "backup",
    description: `Writes a copy of the database into a file, a running server included.

The copy is that of one moment, and compact; recording goes on. The file has its
name once it was read back and found the same, and only you can read it.

EXAMPLES
  session-buddy backup /backup/sessions.duckdb
  session-buddy backup --force ~/sessions-latest.duckdb`,
  },
  args: {
    file: { type: "positional", required: false, description: "Where it goes" },
    force: { type: "boolean", description: "Replace a file of that name" },
    json: { type: "boolean", description: "Print the result as JSON" },
    config: CONFIG_FLAG,
  },
  async run({ args }) {
    if (!args.file)
      throw new Failure(
        "usage",
        "backup needs a file",
        "try: session-buddy backup sessions-backup.duckdb",
      );
    const settings = await validSettings(process.env, args.config);
    const file = resolve(args.file);
    const done = await withKeeping(settings, note, (keeping) =>
      keeping.backup(file, args.force ?? false),
    );
    const output = new Output();
    output.write(
      args.json
        ? `${plainJson(done)}\n`
        : `backup: ${escapeText(file)} (${bytes(done.bytes)})\nholds: ${done.sessions} sessions, ${done.events} events\n`,
    );
    output.flush();
  },
});
