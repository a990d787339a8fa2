/**
 * The ids of recent sessions, quickly, for completion at a Tab: those that a running
 * server answers; without one those in the spool, and those that were the newest when
 * a command had the database open last. Nobody opens it for a Tab: that takes ten
 * times as long, and keeps others from it.
 */
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Settings, statePaths } from "../config/load.ts";
import { isSessionId, startSecondOf } from "../model/id.ts";
import type { SessionStore } from "../model/store.ts";
import { tryReadText } from "../os/file.ts";
import { ensurePrivateDir } from "../os/paths.ts";
import { listFolder } from "../spool/folder.ts";
import { spoolFolder } from "../spool/write.ts";
import { ToolClient } from "../store/remote/client.ts";
import { askableServer, databasePath, lockPath } from "./claim.ts";

const MOST_IDS = 100;
/** How long a server may take. */
const ANSWER_MS = 250;
/** More than that many ids ever are. */
const MOST_BYTES = 65_536;

/**
 * @param reference the beginning of an id, or of its last 8 hex
 * @returns newest first; those that begin otherwise may be among them
 */
export async function recentSessions(
  settings: Settings,
  reference: string,
): Promise<string[]> {
  const { data } = settings.paths;
  // What a server on another host has is too far away for a Tab.
  if (data === null || settings.config.server.endpoint !== null) return [];
  const server = askableServer(lockPath(settings));
  const answered =
    server &&
    (await within(ANSWER_MS, asked(new ToolClient(server), reference)));
  const found = answered ?? [
    ...listFolder(spoolFolder(data)).map((name) => name.split(".", 1)[0]!),
    ...(tryReadText(fileOf(settings), MOST_BYTES)?.split("\n") ?? []),
  ];
  const matches = (id: string) =>
    id.startsWith(reference) || id.slice(-8).startsWith(reference);
  const ids = [...new Set(found.filter(isSessionId))].filter(matches);
  if (answered) return ids;
  return ids
    .map((id) => ({ id, second: startSecondOf(id) ?? "" }))
    .sort((a, b) => (a.second < b.second ? 1 : a.second > b.second ? -1 : 0))
    .map(({ id }) => id);
}

async function asked(client: ToolClient, reference: string): Promise<string[]> {
  // It knows the beginning of an id, and all of the last 8 hex.
  const filter = /^[0-9a-f]{0,7}$/.test(reference) ? {} : { reference };
  const args = { ...filter, limit: MOST_IDS };
  const page = (await client.call("list_sessions", args)) as {
    sessions: { session_id: string }[];
  };
  return page.sessions.map(({ session_id }) => session_id);
}

/** What is late, or fails, is null: a Tab waits for nobody, and tells nothing. */
const within = <T>(ms: number, what: Promise<T>): Promise<T | null> =>
  Promise.race([what.catch(() => null), Bun.sleep(ms).then(() => null)]);

const fileOf = (settings: Settings) =>
  `${statePaths(settings).folder}/recent-sessions`;

/**
 * Notes the newest sessions of an open database, if it has changed since. A Tab that
 * lacks some is no trouble, so nothing that fails here is told.
 * @returns writes them, to be called once it is closed
 */
export async function noteRecent(
  settings: Settings,
  store: SessionStore,
): Promise<() => void> {
  const file = fileOf(settings);
  const database = databasePath(settings);
  const ids: string[] = [];
  try {
    const changed = Math.max(changedAt(database), changedAt(`${database}.wal`));
    // Others change one that is no file here.
    if (changed > 0 && changedAt(file) > changed) return () => {};
    for await (const { session_id } of store.list({ limit: MOST_IDS }))
      ids.push(session_id);
  } catch {
    return () => {};
  }
  return () => {
    const whole = `${file}.${process.pid}.new`;
    try {
      ensurePrivateDir(dirname(file));
      writeFileSync(whole, ids.map((id) => `${id}\n`).join(""), {
        mode: 0o600,
      });
      renameSync(whole, file);
    } catch {
      rmSync(whole, { force: true });
    }
  };
}

const changedAt = (file: string): number =>
  statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
