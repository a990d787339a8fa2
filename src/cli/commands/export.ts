/** `session-buddy export`: all events to a folder, and later what came since. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { remembered } from "../../access/copies.ts";
import { exportEvents } from "../../access/export.ts";
import { ExportFolder } from "../../access/export-folder.ts";
import { withReadable } from "../../access/open.ts";
import { requireNotOwn } from "../../access/own-files.ts";
import { validSettings } from "../../config/load.ts";
import { EXPORT_FORMATS } from "../../model/export.ts";
import { fail } from "../../model/failure.ts";
import { absolutePath } from "../../os/spot.ts";
import { escapeText } from "../../render/escape.ts";
import { note, printResult } from "../terminal.ts";

export default defineCommand({
  description: `Writes all events to a folder, which import reads.

The folder gets parts (events-000001.ndjson…) and manifest.json, with their
sums. A second run adds what came since, and changes nothing else; one that was
killed goes on after the last whole part. Events are as they are stored: what
was redacted stays so. A server on this host or another is asked; nothing is
removed anywhere.

EXAMPLES
  session-buddy export ~/sessions
  session-buddy export --format parquet ~/sessions-parquet
  session-buddy export a && duckdb -c "FROM 'a/*.ndjson'"`,
  args: {
    folder: {
      type: "positional",
      description: "Where the parts go; it is made, or holds an export",
    },
    format: {
      type: "string",
      values: EXPORT_FORMATS,
      description: `${EXPORT_FORMATS.join(" or ")} (default: ${EXPORT_FORMATS[0]})`,
    },
    json: { type: "boolean", description: "Print the result as JSON" },
    config: CONFIG_FLAG,
  },
  async run(args) {
    if (!args.folder)
      throw fail.usage(
        "export needs a folder",
        "try: session-buddy export sessions-export",
      );
    const wanted = args.format ?? EXPORT_FORMATS[0];
    const format = EXPORT_FORMATS.find((name) => name === wanted);
    if (!format)
      throw fail.usage(
        `--format takes ${EXPORT_FORMATS.join(", ")}, not '${wanted}'`,
        "try: --format parquet",
      );
    const settings = await validSettings(process.env, args.config);
    const wanted_path = absolutePath(args.folder);
    if (existsSync(dirname(wanted_path))) requireNotOwn(settings, wanted_path);
    using folder = ExportFolder.open(args.folder, true);
    const copy = { kind: "export", path: folder.path } as const;
    const done = await remembered(settings, copy, note, () =>
      withReadable(settings, note, (store) =>
        exportEvents(settings, store, folder, format),
      ),
    );
    const { path } = folder;
    const words = `exported: ${done.new_events} events, ${done.events} in all\nfolder: ${escapeText(path)} (${done.parts} parts, ${format})\n`;
    printResult(args.json, done, words);
  },
});
