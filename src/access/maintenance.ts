/**
 * The database as a whole: who copies and archives it (a server when one has
 * it, else we), and how a copy takes its place. The second place, beside open.ts,
 * that wires spool and store.
 */
import type { Settings } from "../config/load.ts";
import { Failure, reasonOf } from "../model/failure.ts";
import type { Keeping } from "../model/maintenance.ts";
import { claim, openFile } from "./open.ts";
import { sayDrained } from "../spool/report.ts";
import { requireNotOwn } from "./own-files.ts";
import { drain } from "../spool/drain.ts";
import { spooledSessions } from "../spool/contents.ts";
import { HttpKeeping } from "../store/remote/maintenance.ts";
import { StoreLock } from "../store/lock.ts";

type Tell = (sentence: string) => void;

/**
 * Hands over the keeping of this host's database, with what the spool holds
 * brought in if it can be.
 * @param settings valid ones, see `validSettings`
 * @throws Failure (config) when the database is on another host
 */
export async function withKeeping<T>(
  settings: Settings,
  tell: Tell,
  use: (keeping: Keeping) => Promise<T>,
): Promise<T> {
  requireHere(settings);
  const here = await claim(settings);
  if (!(here instanceof StoreLock)) return use(new HttpKeeping(here));
  const { store, close } = await openFile(settings, here, { tell });
  const data = settings.paths.data!;
  try {
    try {
      sayDrained(
        await drain(
          data,
          store,
          Date.now(),
          settings.config.session.heartbeat_ms,
        ),
        tell,
      );
    } catch (error) {
      // A full disk, perhaps: all the more reason for a copy on another one.
      tell(`the spool could not be brought in: ${reasonOf(error)}`);
    }
    const spooled = () => spooledSessions(data);
    const notOwn = (path: string) => requireNotOwn(settings, path);
    return await use(
      store.keeping({ spooled, requireNotOwn: notOwn, alone: true, tell }),
    );
  } finally {
    await close();
  }
}

/** @throws Failure (config) when the database is on another host */
export function requireHere({ config }: Settings): void {
  if (config.server.endpoint === null) return;
  throw new Failure(
    "config",
    `the database is kept by the server at ${config.server.endpoint}`,
    "do this on that host, or unset SESSION_BUDDY_MCP_ENDPOINT for the one here",
  );
}
