/** `session-buddy archive-sessions`: moves old sessions to Parquet files. */
import { defineCommand, CONFIG_FLAG, YES_FLAG } from "../args.ts";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { type Settings, validSettings } from "../../config/load.ts";
import { remembered } from "../../access/copies.ts";
import { requireDelivered } from "../../doctor/exports.ts";
import { withMaintenance } from "../../access/open.ts";
import { fail } from "../../model/failure.ts";
import { absolutePath } from "../../os/spot.ts";
import { parseCount } from "../../model/time.ts";
import type { Archive, ArchivePlan } from "../../model/maintenance.ts";
import { ensurePrivateDir } from "../../os/paths.ts";
import { isTerminal } from "../../os/proc.ts";
import { localZone } from "../../os/zone.ts";
import { escapeText } from "../../render/escape.ts";
import { bytes, localTime } from "../../render/format.ts";
import { confirm, note, printResult } from "../terminal.ts";

const DAY_MS = 86_400_000;

export default defineCommand({
  description: `Moves old sessions out of the database into Parquet files.

Sessions that ended, or were lost, more than so many days ago go, with their
events and their recordings, unless the spool still has files of theirs. The
files are read back and compared before anything is removed; what comes of an
archived session later is dropped and counted. With a server running, the
database's file keeps its size and has room for new events. A person at a
terminal is asked first.

EXAMPLES
  session-buddy archive-sessions --days 90 --dry-run
  session-buddy archive-sessions --days 30
  session-buddy archive-sessions --days 365 --keep-tagged -y -o /archive/2025`,
  args: {
    days: {
      type: "string",
      valueHint: "n",
      description: "How old the end must be",
    },
    "dry-run": { type: "boolean", description: "Say what would go, and stop" },
    "keep-tagged": {
      type: "boolean",
      description: "Leave sessions that have tags",
    },
    yes: YES_FLAG,
    output: {
      type: "string",
      alias: "o",
      valueHint: "folder",
      description:
        "A folder to make (default: archive/DATE-TIME beside the database)",
    },
    json: { type: "boolean", description: "Print the result as JSON" },
    config: CONFIG_FLAG,
  },
  async run(args) {
    if (args.days === undefined)
      throw fail.usage(
        "archive-sessions needs --days",
        "try: session-buddy archive-sessions --days 30 --dry-run",
      );
    const days = parseCount(args.days, "--days");
    const settings = await validSettings(process.env, args.config);
    const request = {
      ended_before: before(days),
      keep_tagged: args["keep-tagged"],
    };
    const planned = await withMaintenance(settings, note, (maintenance) =>
      maintenance.plan(request),
    );
    if (args["dry-run"])
      return printResult(args.json, planned, planWords("would go", planned));
    const question = `${planned.sessions} sessions with ${planned.events} events go to an archive. Go on?`;
    // Nothing is lost by it: a script that says how old needs no --yes.
    const agreed = args.yes || planned.sessions === 0 || !isTerminal(0);
    if (!confirm(question, agreed)) return 1;
    // Not open while a person thinks: others may ask meanwhile.
    await requireDelivered(settings, request.ended_before);
    const path = folderFor(settings, args.output);
    const work = () =>
      withMaintenance(settings, note, (maintenance) =>
        maintenance.archive(request, path),
      );
    const done =
      args.output === undefined
        ? await work()
        : await remembered(settings, { kind: "archive", path }, note, work);
    printResult(args.json, done, archiveWords(done));
  },
});

/** @throws Failure (usage) for a number that leads out of the calendar */
function before(days: number): string {
  const time = new Date(Date.now() - days * DAY_MS);
  if (time.getTime() > 0) return time.toISOString();
  throw fail.usage(`--days takes fewer than ${days}`, "try: --days 365");
}

function folderFor(settings: Settings, output: string | undefined): string {
  if (output !== undefined) return absolutePath(output);
  const stamp = new Date().toISOString().replace(/\..*|[-:]/g, "");
  const folder = `${settings.paths.data!}/archive/${stamp.replace("T", "-")}`;
  ensurePrivateDir(dirname(folder));
  for (let n = 2; ; n++) {
    const free = n === 2 ? folder : `${folder}+${n - 1}`;
    if (!existsSync(free)) return free;
  }
}

const ZONE = localZone(process.env);

function planWords(what: string, plan: ArchivePlan): string {
  const { sessions, events, first_end, last_end, spooled, tagged } = plan;
  const lines = [`${what}: ${sessions} sessions, ${events} events`];
  if (first_end !== null && last_end !== null)
    lines.push(
      `ended: ${localTime(first_end, ZONE)} to ${localTime(last_end, ZONE)}`,
    );
  if (spooled > 0)
    lines.push(
      `left: ${spooled} sessions with files in the spool, which go a minute after they are stored, or once a quarantined line can be read; then run this again`,
    );
  if (tagged > 0)
    lines.push(
      `left: ${tagged} sessions with tags; without --keep-tagged they go`,
    );
  return lines.map((line) => `${line}\n`).join("");
}

function archiveWords(done: Archive): string {
  const { folder, database_bytes, compacted } = done;
  const { before, after } = database_bytes;
  const lines = [planWords("archived", done)];
  const { recordings } = done;
  if (recordings.files > 0)
    lines.push(
      `recordings: ${recordings.files} (${bytes(recordings.bytes)}), in recordings/ of it\n`,
    );
  if (folder !== null) lines.push(`folder: ${escapeText(folder)}\n`);
  if (compacted)
    lines.push(`database: ${bytes(before)} before, ${bytes(after)} now\n`);
  else if (folder !== null)
    lines.push(
      `database: ${bytes(after)}, with room for new events; without a server this makes it smaller\n`,
    );
  return lines.join("");
}
