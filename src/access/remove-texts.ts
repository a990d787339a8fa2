/**
 * Removes texts that were recorded, wherever we know them to be: first the spool, so
 * that nothing brings them back, then the database, the archives, and the copies.
 * Killed anywhere, the next time does what is left.
 */
import { readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { AlertBooks } from "../alerts/books.ts";
import { type Settings, recordingsRoot } from "../config/load.ts";
import type { ChosenCommand } from "../model/command-reference.ts";
import { type Warn, Failure, fail, reasonOf } from "../model/failure.ts";
import { recordingPath } from "../model/recording/place.ts";
import { type RemovalRequest, hasTexts } from "../model/redaction/removal.ts";
import { Scratch } from "../os/scratch.ts";
import { removeFromSpool } from "../spool/remove-texts.ts";
import { databasePath, loadDuckDB } from "./claim.ts";
import { COPIES, keptBeside, knownCopies } from "./copies.ts";
import { removeFromCopy, removeOlder } from "./copy-texts.ts";
import { withDocuments } from "./open-store.ts";
import { exportHas } from "./import.ts";
import { hasRecording, removeRecording } from "./kept-recordings.ts";
import { withMaintenance } from "./open.ts";

/** What is in the folder of an archive, whole; half of one has another name. */
const ARCHIVED = "events.parquet";

export interface Removal {
  session_id: string;
  /** null: every text of the session. */
  commands: readonly ChosenCommand[] | null;
  /** What its terminal showed, which may show any of them; always with every text. */
  recording: boolean;
  /** Who removes them. */
  user: string;
}

export interface TextsRemoved {
  /** Lines of the spool that lost their texts. */
  spool: number;
  /** Events of the database; null where it is not in it. */
  database: number | null;
  archives: Place[];
  /** Backups, and what a restore has replaced. */
  copies: Place[];
  /** Bytes of the recording that was removed; null where there was none. */
  recording: number | null;
  /** Copies from before an upgrade, which were removed. */
  removed: string[];
  /** What could not be done, and why. */
  left: string[];
}

interface Place {
  path: string;
  /** Events that lost their texts; 0: they had lost them before. */
  events: number;
}

/** @throws Failure when spool or database cannot be changed */
export async function removeTexts(
  settings: Settings,
  removal: Removal,
  warn: Warn,
): Promise<TextsRemoved> {
  const { session_id, commands, recording, user } = removal;
  const root = recordingsRoot(settings);
  const data = settings.paths.data!;
  const event_ids = commands?.map(({ event_id }) => event_id) ?? null;
  const request: RemovalRequest = {
    ...{ session_id, event_ids, user },
    ...(recording && { recording }),
  };
  const removeFile = () => {
    if (recording && hasRecording(root, session_id))
      done.recording = removeRecording(root, session_id);
  };
  const spooled = { session_id, commands, up_to: null };
  const before = await removeFromSpool(data, spooled);
  const done: TextsRemoved = {
    ...{ spool: before.lines, database: null, archives: [], copies: [] },
    ...{ recording: null, removed: [], left: before.left },
  };
  // Before the database, which reads its lines, and after, when none is taken any more.
  removeFile();
  const folders = new Set(archiveFolders(data));
  const attempt = attempts(done.left);
  const inAlerts = (work: (books: AlertBooks) => Promise<void>) =>
    tried(done.left, "the alerts", () =>
      withDocuments(settings, "alerts", (places) =>
        work(new AlertBooks(places)),
      ),
    );
  // Before: a server that runs removes its own as soon as it learns of it.
  await inAlerts(async (books) => {
    for (const alert of await books.withTexts(session_id, event_ids))
      warn(
        `the alert of ${alert.time} had texts of it, and was told to ${Object.keys(alert.told).join(", ")}`,
      );
  });
  if (settings.config.server.endpoint === null) {
    const { removed, archived } = await withMaintenance(
      settings,
      warn,
      async (maintenance) => ({
        removed: await maintenance.removeTexts(request),
        archived: await maintenance.archived(session_id),
      }),
    );
    done.database = removed?.events ?? null;
    if (recording && removed && !removed.recording)
      done.left.push(
        "the server is older and does not keep in mind that the recording was removed: session-buddy mcp restart, then run it again",
      );
    for (const { folder } of archived) folders.add(folder);
    // What a shell has written meanwhile is without a text in the database.
    if (removed?.up_to) {
      const again = { ...spooled, up_to: removed.up_to };
      done.spool += (await removeFromSpool(data, again)).lines;
    }
  } else done.left.push(...elsewhere(settings, session_id));
  await inAlerts((books) => books.removeTexts(session_id, event_ids));
  removeFile();
  for (const folder of folders)
    await attempt(folder, async () => {
      if (recording)
        done.recording ??= removeArchivedRecording(folder, session_id);
      await loadDuckDB(settings);
      const { removeArchived } =
        await import("../store/duckdb/archived-texts.ts");
      const events = await removeArchived(folder, request);
      if (events !== null) done.archives.push({ path: folder, events });
    });
  for (const path of backups(data, done.left))
    await attempt(path, async () => {
      const events = await removeFromCopy(settings, path, request, warn);
      if (events !== null) done.copies.push({ path, events });
    });
  const exports = knownCopies(data).copies.filter(
    ({ kind }) => kind === "export",
  );
  for (const { path } of exports)
    await attempt(path, async () => {
      if (await exportHas(settings, path, (event) => hasTexts(event, request)))
        throw fail.storage(
          `'${path}' is an export with texts of it, which no run changes: remove it, and export anew`,
        );
    });
  await besideDatabase(settings, request, done, warn);
  return done;
}

/** @returns its bytes; null when the archive has none of the session */
function removeArchivedRecording(
  folder: string,
  session_id: string,
): number | null {
  const path = recordingPath(folder, session_id);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return null;
  rmSync(path);
  return stat.size;
}

/** What a server on another host has, and what of a time without it is here. */
function elsewhere(settings: Settings, session_id: string): string[] {
  const { endpoint } = settings.config.server;
  const database = databasePath(settings);
  return [
    `the database is kept by the server at ${endpoint}: on that host, run session-buddy redact ${session_id}`,
    ...(isThere(database)
      ? [
          `'${database}' on this host was not looked at: run it again with SESSION_BUDDY_MCP_ENDPOINT=null`,
        ]
      : []),
  ];
}

type Attempt = (path: string, work: () => Promise<void>) => Promise<void>;

/** One that fails keeps nobody from the rest. */
const attempts =
  (left: string[]): Attempt =>
  async (path, work) => {
    if (isThere(path)) return tried(left, `'${path}'`, work);
    left.push(
      `'${path}' is not there: was it moved, or its disk? If it is gone for good, its line in ${COPIES} of the data folder, if it has one, can go too`,
    );
  };

/** @param what for people, quoted where it is a path */
async function tried(
  left: string[],
  what: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const why = error instanceof Failure ? error.sentence : reasonOf(error);
    const line = why.includes(what.replaceAll("'", ""))
      ? why
      : `${what}: ${why}`;
    if (!left.includes(line)) left.push(line);
  }
}

const isThere = (path: string) =>
  statSync(path, { throwIfNoEntry: false }) !== undefined;

/** Those in their usual place, and those that went elsewhere. */
function archiveFolders(data: string): string[] {
  const usual = `${data}/archive`;
  const names = isThere(usual) ? readdirSync(usual) : [];
  const { copies } = knownCopies(data);
  return [
    ...names
      .map((name) => `${usual}/${name}`)
      .filter((path) => isThere(`${path}/${ARCHIVED}`)),
    ...copies.filter(({ kind }) => kind === "archive").map(({ path }) => path),
  ];
}

function backups(data: string, left: string[]): string[] {
  const { copies, unread } = knownCopies(data);
  if (unread > 0)
    left.push(
      `'${data}/${COPIES}' has ${unread} lines that cannot be read: there may be backups that we do not know`,
    );
  return copies.filter(({ kind }) => kind === "backup").map(({ path }) => path);
}

/** What restores, upgrades and foreign logs have left, and attempts that were killed. */
async function besideDatabase(
  settings: Settings,
  request: RemovalRequest,
  done: TextsRemoved,
  warn: Warn,
): Promise<void> {
  const { session_id } = request;
  const database = databasePath(settings);
  const data = settings.paths.data!;
  const attempt = attempts(done.left);
  for (const { kind, path } of keptBeside(database))
    await attempt(path, async () => {
      if (kind === "log") {
        if (readFileSync(path).includes(session_id))
          throw fail.storage(
            `'${path}' may hold its texts, and a log cannot be changed: remove it if you do not need it`,
          );
      } else if (kind === "schema") {
        if (await removeOlder(settings, path, session_id))
          done.removed.push(path);
      } else {
        const events = await removeFromCopy(settings, path, request, warn);
        if (events !== null) done.copies.push({ path, events });
      }
    });
  const made = knownCopies(data).copies.map(({ path }) => path);
  // A scratch folder's maker takes away those that killed ones have left.
  for (const folder of new Set(
    [database, `${data}/any`, `${data}/archive/any`, ...made].map(dirname),
  ))
    if (isThere(folder))
      await attempt(folder, async () =>
        Scratch.beside(`${folder}/any`).remove(),
      );
}
