/**
 * What the spool still holds of sessions, done and quarantined included; and
 * how what is done comes back, for a store that may not have it any more.
 */
import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
} from "node:fs";
import { join } from "node:path";
import { Failure, errnoOf } from "../model/failure.ts";
import { isSessionId } from "../model/id.ts";
import { libc } from "../os/libc.ts";
import { folderFailure } from "../os/paths.ts";

/** How long a drain is waited for. */
const TURN_MS = 30_000;
const LOOK_MS = 15;

const SESSION = /"session_id"\s*:\s*"([^"\\]+)"/g;

/**
 * Sessions of which some file is in the spool, of whichever host.
 * @param data the data folder
 * @throws Failure when it cannot be told
 */
export function spooledSessions(data: string): Set<string> {
  const ids = new Set<string>();
  for (const file of filesBelow(`${data}/spool`)) {
    // `ID.ndjson`, `ID.PID.ndjson`, and quarantined `ID.ndjson.OFFSET`.
    const [id] = file.slice(file.lastIndexOf("/") + 1).split(".", 1);
    if (isSessionId(id!)) ids.add(id!);
    else
      for (const [, within] of textOf(file).matchAll(SESSION)) ids.add(within!);
  }
  return ids;
}

/** Every file that is or was a spool file; locks are none. */
function* filesBelow(folder: string): Generator<string> {
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile() && entry.name.includes(".ndjson")) yield path;
  }
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw folderFailure(folder, error);
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch (error) {
    // Gone since we looked.
    if (errnoOf(error) === "ENOENT") return "";
    throw folderFailure(file, error);
  }
}

/**
 * Puts done files back, so that the next drain brings them to the store once
 * more; under names that nobody writes to.
 * @param folder of this machine's spool
 * @throws Failure (timeout) when a drain does not end
 */
export async function putBack(folder: string): Promise<void> {
  const done = entriesOf(`${folder}/done`);
  if (done.length === 0) return;
  const lock = await takeTurn(`${folder}/drain.lock`);
  try {
    for (const { name } of done) {
      const stem = name.slice(0, name.indexOf(".ndjson"));
      const again = `${stem}.${crypto.getRandomValues(new Uint32Array(1))[0]}`;
      renameIfThere(`${folder}/done/${name}`, `${folder}/${again}.ndjson`);
    }
  } finally {
    closeSync(lock);
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    // A drain let it go before our turn came: it was stored once more.
    if (errnoOf(error) !== "ENOENT") throw folderFailure(from, error);
  }
}

/** The lock of whoever moves spool files, see drain.ts. */
async function takeTurn(path: string): Promise<number> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  const lock = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  const deadline = performance.now() + TURN_MS;
  while (libc && !libc.tryLock(lock)) {
    if (performance.now() > deadline) {
      closeSync(lock);
      throw new Failure(
        "timeout",
        "a drain of the spool does not end",
        "look what it waits for; then restore again",
      );
    }
    await Bun.sleep(LOOK_MS);
  }
  return lock;
}
