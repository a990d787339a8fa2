/** Records that somebody watches, at a terminal of this host, as a server does of its peers. */
import type { Settings } from "../config/load.ts";
import { EVENT_VERSION, type Event, isKind } from "../model/event.ts";
import { Failure, type Warn } from "../model/failure.ts";
import type { SessionStore } from "../model/store.ts";
import { passwdEntry } from "../os/paths.ts";
import { withStore } from "./open.ts";

/** Who comes again within this watches still. */
const AGAIN_MS = 60_000;

/** A look that has begun. */
export interface BegunWatch {
  session_id: string;
  event_id: string;
}

/**
 * Records that we watch.
 * @param use what else is asked of the store, which is opened once
 * @returns null when that cannot be, which is said, or of a session that nobody knows
 */
export async function beginWatch(
  settings: Settings,
  session_id: string,
  warn: Warn,
  use?: (store: SessionStore) => Promise<void>,
): Promise<BegunWatch | null> {
  try {
    return await withStore(settings, warn, async (store) => {
      const begun = await begin(store, session_id);
      await use?.(store);
      return begun;
    });
  } catch (error) {
    return sayNotRecorded(error, warn);
  }
}

/** Records until when. */
export async function endWatch(
  settings: Settings,
  { session_id, event_id }: BegunWatch,
  warn: Warn,
): Promise<void> {
  // Until we ask a store, others may be busy with it.
  const timestamp = new Date().toISOString();
  try {
    await withStore(settings, warn, (store) =>
      store.append([
        {
          ...{ event_version: EVENT_VERSION, event_id: Bun.randomUUIDv7() },
          ...{ event_type: "watch_end", session_id, timestamp, of: event_id },
        },
      ]),
    );
  } catch (error) {
    sayNotRecorded(error, warn);
  }
}

function sayNotRecorded(error: unknown, warn: Warn): null {
  if (!(error instanceof Failure)) throw error;
  warn(`that you watch is not recorded: ${error.message}`);
  return null;
}

async function begin(
  store: SessionStore,
  session_id: string,
): Promise<BegunWatch | null> {
  if (!(await store.get(session_id))) return null;
  const uid = process.geteuid!();
  const watcher = passwdEntry(uid)?.username ?? `uid ${uid}`;
  const now = Date.now();
  const lately = await latelyBegun(store, session_id, watcher, now);
  if (lately !== null) return { session_id, event_id: lately };
  const event_id = Bun.randomUUIDv7();
  const event: Event = {
    ...{ event_version: EVENT_VERSION, event_id, session_id, watcher },
    ...{ event_type: "watch_start", address: null },
    timestamp: new Date(now).toISOString(),
  };
  await store.append([event]);
  return { session_id, event_id };
}

/** The look of the same user that goes on, or was over just now. */
async function latelyBegun(
  store: SessionStore,
  session_id: string,
  watcher: string,
  now: number,
): Promise<string | null> {
  const after = new Date(now - AGAIN_MS).toISOString();
  const kinds = ["watch_start", "watch_end"];
  const own = new Set<string>();
  let last: string | null = null;
  const all = store.events({ session_id, kinds });
  for await (const { event } of all) {
    const recent = event.timestamp >= after;
    if (isKind(event, "watch_end")) {
      if (recent && own.has(event.of)) last = event.of;
    } else if (isKind(event, "watch_start")) {
      if (event.watcher !== watcher || event.address !== null) continue;
      own.add(event.event_id);
      if (recent) last = event.event_id;
    }
  }
  return last;
}
