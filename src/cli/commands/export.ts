/**
 * `session-buddy export`: all events to a folder, and later what came since; or the
 * recording of one session. The format says which: never what the word looks like.
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { remembered } from "../../access/copies.ts";
import { exportEvents } from "../../access/export.ts";
import { ExportFolder } from "../../access/export-folder.ts";
import { withReadable } from "../../access/open.ts";
import { commandsIfAny, openRecorded } from "../../access/recorded-session.ts";
import { requireNotOwn } from "../../access/own-files.ts";
import { type Settings, validSettings } from "../../config/load.ts";
import {
  EXPORT_FORMATS,
  RECORDING_FORMATS,
  type RecordingFormat,
} from "../../model/export.ts";
import { fail } from "../../model/failure.ts";
import { isSessionId } from "../../model/id.ts";
import { castLines } from "../../model/recording/cast.ts";
import { linesOf } from "../../model/recording/lines.ts";
import type { Damage, RecordingReader } from "../../model/recording/read.ts";
import { Output, writeOutput } from "../../os/output.ts";
import { absolutePath } from "../../os/spot.ts";
import { escapeText } from "../../render/escape.ts";
import { damageText, markersOf } from "../../render/recording.ts";
import { note, printResult } from "../terminal.ts";

export default defineCommand({
  description: `Writes all events to a folder, which import reads; or a recording.

The folder gets parts (events-000001.ndjson…) and manifest.json, with their
sums. A second run adds what came since, and changes nothing else; one that was
killed goes on after the last whole part. Events are as they are stored: what
was redacted stays so. A server on this host or another is asked; nothing is
removed anywhere.

With --format cast, cast2 or txt the word is no folder but a session, whose
recorded terminal goes to standard output, or to --output: as asciicast (cast:
version 3, for asciinema 3 and web players; cast2: version 2, for older ones)
with its commands as markers, or as text, line by line. What reaches beyond the
screen (titles, the clipboard, queries) is left out of all three.

EXAMPLES
  session-buddy export ~/sessions
  session-buddy export --format parquet ~/sessions-parquet
  session-buddy export a && duckdb -c "FROM 'a/*.ndjson'"
  session-buddy export 1a2b3c4d --format cast --output deploy.cast
  session-buddy export 1a2b3c4d --format txt | grep -n error`,
  args: {
    folder: {
      type: "positional",
      valueHint: "folder or id",
      description:
        "Where the parts go; it is made, or holds an export. Of a recording: the session, or a recording's path",
    },
    format: {
      type: "string",
      values: [...EXPORT_FORMATS, ...RECORDING_FORMATS],
      description: `Of events: ${EXPORT_FORMATS.join(" or ")} (default: ${EXPORT_FORMATS[0]}); of a recording: ${RECORDING_FORMATS.join(", ")}`,
    },
    output: {
      type: "string",
      alias: "o",
      valueHint: "file",
      description: "Write the recording to this file",
    },
    json: { type: "boolean", description: "Print the result as JSON" },
    config: CONFIG_FLAG,
  },
  async run(args) {
    const wanted = args.format ?? EXPORT_FORMATS[0];
    const of_recording = RECORDING_FORMATS.find((name) => name === wanted);
    if (of_recording) return exportRecording(args, of_recording);
    if (!args.folder)
      throw fail.usage(
        "export needs a folder",
        "try: session-buddy export sessions-export",
      );
    const format = EXPORT_FORMATS.find((name) => name === wanted);
    if (!format)
      throw fail.usage(
        `--format takes ${[...EXPORT_FORMATS, ...RECORDING_FORMATS].join(", ")}, not '${wanted}'`,
        "try: --format parquet",
      );
    if (args.output !== undefined)
      throw fail.usage(
        "--output is for recordings: events go to a folder",
        `try: --format ${RECORDING_FORMATS[0]}`,
      );
    if (isSessionId(args.folder) && !existsSync(args.folder))
      throw fail.usage(
        `'${args.folder}' is the id of a session, and all events would go to a folder of that name`,
        `give --format ${RECORDING_FORMATS.join(", ")} for its recording, or ./${args.folder} for the folder`,
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

interface RecordingArgs {
  folder: string | undefined;
  output: string | undefined;
  json: boolean;
  config: string | undefined;
}

async function exportRecording(
  { folder: word, output, json, config }: RecordingArgs,
  format: RecordingFormat,
): Promise<void> {
  if (!word)
    throw fail.usage(
      `export --format ${format} needs a session, or the path of a recording`,
      `try: session-buddy export 1a2b3c4d --format ${format}`,
    );
  if (json)
    throw fail.usage(
      "--json is for exports of events",
      `leave it out with --format ${format}`,
    );
  const settings = await validSettings(process.env, config);
  using recording = await openRecorded(settings, word, undefined, note);
  const { reader } = recording;
  const damage = { torn_bytes: 0, damaged_bytes: 0 };
  const lines = await linesIn(settings, reader, format, damage);
  const write = async (to: Output) => {
    for (const line of lines) to.write(line);
  };
  if (output === undefined) {
    const out = new Output();
    await write(out);
    out.flush();
  } else
    await writeOutput(output, (path) => requireNotOwn(settings, path), write);
  const said = damageText(damage);
  if (said !== null) note(said);
}

async function linesIn(
  settings: Settings,
  reader: RecordingReader,
  format: RecordingFormat,
  damage: Damage,
): Promise<Iterable<string>> {
  if (format === "txt") return textOf(reader, damage);
  const { header } = reader;
  const commands = await commandsIfAny(settings, header.session_id, note);
  const version = format === "cast" ? 3 : 2;
  return castLines(reader, version, markersOf(commands, header), damage);
}

function* textOf(reader: RecordingReader, damage: Damage): Generator<string> {
  for (const { text } of linesOf(reader, damage)) yield `${escapeText(text)}\n`;
}
