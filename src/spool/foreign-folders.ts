/**
 * Spool folders of other machine ids: this host had another id, or other hosts
 * share the data folder. A folder is adopted when every session in it is known to
 * be of this boot, where locks and pids tell who is alive, or of a boot of this
 * host that is over. The user is told of others, and may adopt them.
 */
import { closeSync, fstatSync } from "node:fs";
import { type SessionStart, isKind } from "../model/event.ts";
import { Failure, reasonOf } from "../model/failure.ts";
import { machineId } from "../os/proc.ts";
import { entriesOf, isSpoolFile, listFolder, openOwn } from "./folder.ts";
import { readLines } from "./read.ts";
import { isShellFile, originOf, sessionOf } from "./file-facts.ts";

export interface ForeignFolder {
  folder: string;
  /** Files that wait in it. */
  files: number;
  /** The host of its first readable session; null when there is none. */
  hostname: string | null;
  /** Files in its done/ and quarantine/. */
  kept: number;
  /** When a file of it was last touched; null when there is none. */
  last_sign: Date | null;
  /** Why it could not be read; null when it was. */
  closed: string | null;
  /** Whether all sessions in it are known to be this host's. */
  known: boolean;
}

/**
 * The folders of other machine ids in which something waits.
 * @param data the data folder
 * @param now milliseconds since the epoch
 * @param heartbeat_ms see Look
 */
export function foreignFolders(
  data: string,
  now: number,
  heartbeat_ms: number,
): ForeignFolder[] {
  const root = `${data}/spool`;
  const own = machineId();
  return entriesOf(root)
    .filter(({ name }) => name !== own)
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map((entry) => {
      const folder = `${root}/${entry.name}`;
      return entry.isDirectory()
        ? look(folder, now, heartbeat_ms)
        : closedFolder(folder, "it is a link");
    })
    .filter(({ files, kept, closed }) => files + kept > 0 || closed !== null);
}

/** What the user is told of a folder that is not adopted. */
export function foreignSentence(foreign: ForeignFolder): string {
  const { folder, files, kept, hostname, last_sign, closed } = foreign;
  if (closed !== null)
    return `what '${folder}' may hold, of another machine id, was not looked at: ${closed}`;
  if (files === 0)
    return `${kept} files are kept in done/ and quarantine/ of '${folder}', of another machine id`;
  const touched = last_sign && `, last touched ${last_sign.toISOString()}`;
  const whose = hostname === null ? "" : `, of host '${hostname}'`;
  return `${files} spool files wait in '${folder}', recorded under another machine id${whose}${touched ?? ""}: that host may be running`;
}

/** What to do about it. */
export const foreignHint = ({ closed }: ForeignFolder): string =>
  closed === null ? ADOPT : "if it is yours, give it back, else move it away";
const ADOPT =
  "if it is this one, or is gone for good: session-buddy drain --adopt";

const closedFolder = (folder: string, why: string): ForeignFolder => ({
  ...{ folder, files: 0, kept: 0, hostname: null },
  ...{ last_sign: null, known: false, closed: why },
});

/** A folder that cannot be read keeps nobody from the rest. */
function look(
  folder: string,
  now: number,
  heartbeat_ms: number,
): ForeignFolder {
  try {
    return lookInto(folder, now, heartbeat_ms);
  } catch (error) {
    const why = error instanceof Failure ? error.sentence : reasonOf(error);
    return closedFolder(folder, why);
  }
}

function lookInto(
  folder: string,
  now: number,
  heartbeat_ms: number,
): ForeignFolder {
  const names = entriesOf(folder)
    .map(({ name }) => name)
    .filter(isSpoolFile);
  const kept = ["done", "quarantine"].flatMap((name) =>
    listFolder(`${folder}/${name}`),
  );
  const found: ForeignFolder = {
    ...{ folder, files: names.length, kept: kept.length, hostname: null },
    ...{ last_sign: null, known: names.length > 0, closed: null },
  };
  for (const name of names) {
    const fd = openOwn(folder, name, () => (found.known = false));
    if (fd === null) continue;
    try {
      const { mtime, size } = fstatSync(fd);
      if (mtime > (found.last_sign ?? 0)) found.last_sign = mtime;
      // A shell's file does not say where it was written: its session's does.
      if (size === 0 || (isShellFile(name) && hasSession(name, names)))
        continue;
      const start = startIn(fd);
      found.hostname ??= start?.hostname ?? null;
      const seen = { touched: mtime, now, heartbeat_ms };
      if (!start || originOf(start, seen) === "unknown") found.known = false;
    } finally {
      closeSync(fd);
    }
  }
  return found;
}

const hasSession = (name: string, names: readonly string[]) =>
  names.includes(`${sessionOf(name)}.ndjson`);

/** The start that a session's file begins with. */
function startIn(fd: number): SessionStart | null {
  for (const line of readLines(fd, "here")) {
    if (line.kind !== "event") return null;
    const { event } = line;
    return isKind(event, "session_start") ? event : null;
  }
  return null;
}
