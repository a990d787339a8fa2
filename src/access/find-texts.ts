/** Finds the session, and the commands of it, whose texts are to be removed. */
import { type Settings, recordingsRoot } from "../config/load.ts";
import {
  type ChosenCommand,
  chosenCommands,
} from "../model/command-reference.ts";
import type { Event } from "../model/event.ts";
import { type Warn, fail } from "../model/failure.ts";
import { isSessionId } from "../model/id.ts";
import { ambiguous, findSession, noSession } from "../model/reference.ts";
import { spooledEvents, spooledSessions } from "../spool/contents.ts";
import { loadDuckDB } from "./claim.ts";
import { withMaintenance, withStore } from "./open.ts";
import { recordedSessions } from "./recordings.ts";

export interface Target {
  session_id: string;
  /** null: every text of the session. */
  commands: ChosenCommand[] | null;
  /** Of the session; null where only its id is known. */
  command_count: number | null;
}

/**
 * @param reference of the session
 * @param command of it; undefined for every text
 * @throws Failure (not_found, ambiguous)
 */
export async function findTexts(
  settings: Settings,
  reference: string,
  command: string | undefined,
  warn: Warn,
): Promise<Target> {
  const remote = settings.config.server.endpoint !== null;
  const found = remote
    ? spooled(settings, reference)
    : await stored(settings, reference, command !== undefined, warn);
  if (found === null) {
    if (command === undefined && isSessionId(reference))
      // A backup may hold it, and nothing else.
      return { session_id: reference, commands: null, command_count: null };
    throw noSession(reference, "try: session-buddy list-sessions");
  }
  const { session_id, events, command_count } = found;
  if (command === undefined)
    return { session_id, commands: null, command_count };
  const commands = chosenCommands(command, events);
  return { session_id, commands, command_count };
}

interface Found {
  session_id: string;
  command_count: number | null;
  events: Event[];
}

/** In the database, else in an archive. */
async function stored(
  settings: Settings,
  reference: string,
  withCommands: boolean,
  warn: Warn,
): Promise<Found | null> {
  const found = await withStore(settings, warn, async (store) => {
    const session = await findSession(store, reference);
    if (!session) return null;
    const { session_id, command_count } = session;
    const events: Event[] = [];
    const filter = { session_id, kinds: ["command_start"] };
    if (withCommands)
      for await (const { event } of store.events(filter)) events.push(event);
    return { session_id, command_count, events };
  });
  if (found) return found;
  const archived = await withMaintenance(settings, warn, (maintenance) =>
    maintenance.archived(reference),
  );
  if (archived.length > 1) throw ambiguous(reference, archived);
  const [one] = archived;
  if (!one) return null;
  const { session_id, folder } = one;
  if (!withCommands) return { session_id, command_count: null, events: [] };
  await loadDuckDB(settings);
  const { archivedEvents } = await import("../store/duckdb/archived-texts.ts");
  const events = await archivedEvents(folder, session_id);
  return { session_id, command_count: null, events };
}

/** What waits here for a server on another host; nothing is sent to it. */
function spooled(settings: Settings, reference: string): Found | null {
  const data = settings.paths.data!;
  const here = [
    ...spooledSessions(data),
    ...recordedSessions(recordingsRoot(settings)),
  ];
  const found = [...new Set(here)].filter(
    (id) =>
      reference !== "" &&
      (id.startsWith(reference) || id.endsWith(`-${reference}`)),
  );
  const exact = found.includes(reference) ? [reference] : found;
  if (exact.length > 1)
    throw ambiguous(
      reference,
      exact.map((session_id) => ({ session_id })),
    );
  const [session_id] = exact;
  if (session_id === undefined) {
    if (isSessionId(reference)) return null;
    throw fail.not_found(
      `nothing of a session '${reference}' waits on this host`,
      `the server at ${settings.config.server.endpoint} keeps the others: run it on that host`,
    );
  }
  const events = [...spooledEvents(data, session_id)];
  const { size } = new Set(
    events
      .filter(({ event_type }) => event_type === "command_start")
      .map(({ event_id }) => event_id),
  );
  return { session_id, events, command_count: size };
}
