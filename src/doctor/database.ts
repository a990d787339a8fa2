/** Checks the database, and what has not come into it yet. */
import { basename, dirname } from "node:path";
import type { Settings } from "../config/load.ts";
import { Failure, fail } from "../model/failure.ts";
import { databasePath } from "../access/claim.ts";
import { requireOwnDatabase } from "../access/open-store.ts";
import { withStore } from "../access/open.ts";
import {
  foreignHint,
  foreignFolders,
  foreignSentence,
} from "../spool/foreign-folders.ts";
import { readDelivery } from "../spool/circuit-breaker.ts";
import { listFolder, spoolBacklog } from "../spool/folder.ts";
import { nearlyFull } from "../spool/quota.ts";
import { spoolFolder } from "../spool/write.ts";
import type { Check } from "./check.ts";

export function databaseChecks(settings: Settings): Check[] {
  const data = settings.paths.data!;
  const said: string[] = [];
  const warn = (sentence: string) => void said.push(sentence);
  return [
    {
      name: "database_opens",
      async look() {
        const { sessions, by_status } = await withStore(
          settings,
          warn,
          (store) => store.stats({}),
        );
        const { active, ended, lost } = by_status;
        return `${sessions} sessions: ${active} active, ${ended} ended, ${lost} lost`;
      },
    },
    ...(settings.config.store.url === null ? fileChecks(settings) : []),
    {
      name: "spool_readable",
      look() {
        const refused = said.filter((sentence) => sentence.includes("alone"));
        if (refused.length === 0) return "every file was read";
        throw fail.permission(
          refused.join("; "),
          "make these files yours, or move them away",
        );
      },
    },
    ...(settings.config.server.endpoint === null
      ? []
      : [{ name: "delivery", look: () => delivery(data) }]),
    { name: "recordings_searched", look: () => searched(settings) },
    { name: "spool_quarantine", look: () => quarantined(data) },
    { name: "spool_other_machines", look: () => otherMachines(settings) },
    {
      name: "spool_backlog",
      look() {
        const { files, bytes } = spoolBacklog(data);
        const folder = spoolFolder(data);
        const full = nearlyFull(folder, settings.config.spool.max_bytes);
        if (full)
          throw fail.storage(
            full,
            "mend what keeps the events from the store, or raise spool.max_bytes",
          );
        return `${files} files (${bytes} bytes) of sessions that may go on`;
      },
    },
  ];
}

const fileChecks = (settings: Settings): Check[] => [
  {
    name: "database_file",
    look() {
      const path = databasePath(settings);
      requireOwnDatabase(path);
      return `${path}: nobody else can write to it`;
    },
  },
  { name: "database_log", look: () => leftLogs(databasePath(settings)) },
];

function leftLogs(database: string): string {
  const start = `${basename(database)}.wal.`;
  const logs = listFolder(dirname(database)).filter(
    (name) =>
      name.startsWith(start) &&
      /^(damaged|foreign)-/.test(name.slice(start.length)),
  );
  if (logs.length === 0) return "none had to be mended";
  const foreign = logs.filter((name) => name.startsWith(`${start}foreign-`));
  const damaged = logs.filter((name) => !foreign.includes(name));
  const says = (words: string, of: readonly string[]) =>
    of.length === 0 ? [] : [`${words}: ${of.join(", ")}`];
  throw fail.storage(
    [
      ...says(
        "the write-ahead log was damaged, as by a loss of power, and mended: what came after the last whole commit was left out, and is kept",
        damaged,
      ),
      ...says(
        "a write-ahead log beside the database was not its own, as one that was copied by hand; it was left out, and is kept",
        foreign,
      ),
    ].join("; "),
    `what the spool still had has come in, the rest is in these alone: ${damaged.length > 0 ? "look at the disk" : "see whose they are"}, then remove these from ${dirname(database)}`,
  );
}

const SEARCHED = `
  SELECT count(*), coalesce(sum(lines), 0)::FLOAT8,
    count(left_out), max(left_out), (SELECT session_id FROM recordings
      WHERE left_out IS NOT NULL ORDER BY left_out DESC LIMIT 1)
  FROM recordings`;

/** A recording that somebody made otherwise is no fault of this host's. */
async function searched(settings: Settings): Promise<string> {
  const ask = { sql: SEARCHED, timeout_ms: 30_000 };
  return withStore(
    settings,
    () => {},
    async (store) => {
      const answer = await store.query(ask).catch((error) => {
        if (error instanceof Failure && error.code === "usage") return null;
        throw error;
      });
      if (answer === null) return "the server is of a version without it";
      const [row] = await Array.fromAsync(answer.rows);
      const [recordings, lines, partly, why, session_id] = row!;
      const all = `${recordings} recordings, ${lines} lines`;
      return partly === 0
        ? all
        : `${all}; of ${partly} not all, as of ${session_id}: ${why}`;
    },
  );
}

/** Runs once the store was opened, which has tried to deliver. */
function delivery(data: string): string {
  const state = readDelivery(spoolFolder(data));
  const { failing_since, last_error, last_success, mend } = state;
  if (failing_since === null)
    return last_success === null
      ? "nothing had to be delivered yet"
      : `events are delivered, last about ${last_success}`;
  const { files } = spoolBacklog(data);
  throw fail.unreachable(
    `undelivered spool files: ${files}, since ${failing_since}: ${last_error}`,
    mend ?? "try: session-buddy drain",
  );
}

function quarantined(data: string): string {
  const folder = `${spoolFolder(data)}/quarantine`;
  const lines = listFolder(folder).length;
  if (lines === 0) return "no line had to be put aside";
  throw fail.storage(
    `${lines} lines could not be read or were rejected, and are kept`,
    `look at them, and remove those that are nothing: ${folder}; what a server rejected is brought once more by: session-buddy drain --retry`,
  );
}

/** After so long without a touch a host that shares the data folder counts as gone. */
const SILENT_MS = 86_400_000;

function otherMachines({ config, paths }: Settings): string {
  const waiting = foreignFolders(
    paths.data!,
    Date.now(),
    config.session.heartbeat_ms,
  );
  const sentences = waiting.map(foreignSentence).join("; ");
  const last_ms = Math.max(
    ...waiting.map(({ last_sign }) => +(last_sign ?? 0)),
  );
  if (waiting.length === 0) return "nothing waits under another machine id";
  if (Date.now() - last_ms < SILENT_MS) return sentences;
  throw fail.unhealthy(sentences, foreignHint(waiting[0]!));
}
