/** `session-buddy backup`: copies the database, also while it is open. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { closeSync, openSync } from "node:fs";
import {
  type Settings,
  recordingsRoot,
  validSettings,
} from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { plainJson } from "../../model/json.ts";
import { requireHere, withMaintenance } from "../../access/open.ts";
import type { Backup } from "../../model/maintenance.ts";
import { say } from "../../os/file.ts";
import { Output, goneOnSignal } from "../../os/output.ts";
import { ensurePrivateDir } from "../../os/paths.ts";
import { type StreamPlace, openStream, placeOf } from "../../os/place.ts";
import { copy } from "../../os/copy.ts";
import { remembered } from "../../access/copies.ts";
import { keptRecordings } from "../../access/kept-recordings.ts";
import { requireNotOwn } from "../../access/own-files.ts";
import { recordingsFolder } from "../../model/recording/place.ts";
import { Scratch } from "../../os/scratch.ts";
import { escapeText } from "../../render/escape.ts";
import { bytes } from "../../render/format.ts";
import { note, printResult } from "../terminal.ts";

export default defineCommand({
  description: `Copies the database to a file, while a server runs, too.

The copy is that of one moment, and compact; recording goes on. What terminals
showed is not in it: those are files of their own, and are named. The file has
its name once it was read back and found the same, and only you can read it; one
that it replaces keeps its mode and its owner. A FIFO or a device gets what the
file would hold, and the result is told on stderr then.

EXAMPLES
  session-buddy backup /backup/sessions.duckdb
  session-buddy backup --force ~/sessions-latest.duckdb
  session-buddy backup /dev/stdout | zstd > sessions.duckdb.zst`,
  args: {
    file: { type: "positional", description: "Where it goes" },
    force: { type: "boolean", description: "Replace a file of that name" },
    json: { type: "boolean", description: "Print the result as JSON" },
    config: CONFIG_FLAG,
  },
  async run(args) {
    if (!args.file)
      throw fail.usage(
        "backup needs a file",
        "try: session-buddy backup sessions-backup.duckdb",
      );
    const settings = await validSettings(process.env, args.config);
    using place = placeOf(args.file);
    if (place.kind === "stream") {
      requireNotOwn(settings, place.path);
      const sent = await sendBackup(settings, place, args.file);
      const done = { ...sent, ...leftOf(settings) };
      say(args.json ? `${plainJson({ ...done })}\n` : words(done));
      return;
    }
    const { path } = place;
    const copy = { kind: "backup", path } as const;
    const made = await remembered(settings, copy, note, () =>
      withMaintenance(settings, note, (maintenance) =>
        maintenance.backup(path, args.force),
      ),
    );
    const done = { ...made, ...leftOf(settings) };
    printResult(args.json, done, words(done));
  },
});

/** What no copy of the database holds. */
interface Left {
  recordings: { folder: string; files: number; bytes: number };
}

function leftOf(settings: Settings): Left {
  const root = recordingsRoot(settings);
  const kept = keptRecordings(root);
  const size = kept.reduce((sum, one) => sum + one.bytes, 0);
  const folder = recordingsFolder(root);
  return { recordings: { folder, files: kept.length, bytes: size } };
}

function words({
  file,
  bytes: size,
  sessions,
  events,
  recordings,
}: Backup & Left): string {
  const lines = [
    `backup: ${escapeText(file)} (${bytes(size)})`,
    `holds: ${sessions} sessions, ${events} events`,
    ...(recordings.files > 0
      ? [
          `not in it: ${recordings.files} recordings of terminals (${bytes(recordings.bytes)}); copy ${escapeText(recordings.folder)}`,
        ]
      : []),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** To a FIFO or a device: DuckDB writes files only, so one is made first. */
async function sendBackup(
  settings: Settings,
  place: StreamPlace,
  name: string,
): Promise<Backup> {
  requireHere(settings);
  // A FIFO's reader is waited for before anything is held.
  const { fd, own } = openStream(place);
  const data = settings.paths.data!;
  ensurePrivateDir(data);
  using scratch = Scratch.beside(`${data}/any`);
  const stay = goneOnSignal(scratch);
  try {
    // By its own name: a server makes it.
    const file = `${scratch.path}/sessions.duckdb`;
    const done = await withMaintenance(settings, note, (maintenance) =>
      maintenance.backup(file, false),
    );
    sendFile(file, new Output(fd, `'${name}'`));
    return { ...done, file: name };
  } finally {
    stay();
    if (own) closeSync(fd);
  }
}

function sendFile(file: string, output: Output): void {
  const from = openSync(file, "r");
  try {
    copy(from, (bytes) => output.writeBytes(bytes));
  } finally {
    closeSync(from);
  }
}
