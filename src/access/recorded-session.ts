/** Finds which recording is meant, and the commands that ran meanwhile. */
import { type Settings, recordingsRoot } from "../config/load.ts";
import { type Command } from "../model/command.ts";
import { chosenCommands } from "../model/command-reference.ts";
import { type Event, isKind } from "../model/event.ts";
import { Failure, type Warn, fail } from "../model/failure.ts";
import { recordingPath } from "../model/recording/place.ts";
import {
  PROMISING,
  promiseIn,
  removesRecording,
} from "../model/recording/promise.ts";
import { ambiguous, findSession, noSession } from "../model/reference.ts";
import type { SessionStore } from "../model/store.ts";
import { isMissing } from "../os/file.ts";
import { removedRecordings } from "./removed-recordings.ts";
import { withMaintenance, withReadable } from "./open.ts";
import { OpenRecording, findRecorded, recordedSessions } from "./recordings.ts";

/** A session, or a file where the word leads to one: `./x.rec`. */
export const IS_PATH = /\/|\.rec$/;

/**
 * Opens what a word means; without one the newest, but for the session that we are in.
 * @throws Failure when there is none
 */
export async function openRecorded(
  settings: Settings,
  word: string | undefined,
  current: string | undefined,
  warn: Warn,
): Promise<OpenRecording> {
  if (word !== undefined && IS_PATH.test(word))
    return OpenRecording.open(word, false);
  const data = recordingsRoot(settings);
  const session_id =
    word === undefined
      ? newest(data, current)
      : (findRecorded(data, word) ?? (await named(settings, word, warn)));
  const path = recordingPath(data, session_id);
  if (isMissing(path)) throw await missing(settings, session_id, warn);
  return OpenRecording.open(path, true);
}

/** Why there is none of a session, as far as anybody knows. */
async function missing(
  settings: Settings,
  session_id: string,
  warn: Warn,
): Promise<Failure> {
  const it = `the recording of session '${session_id}'`;
  const went = removedRecordings(recordingsRoot(settings)).findLast(
    (one) => one.session_id === session_id,
  );
  if (went)
    return fail.not_found(
      `${it} went ${went.why === "age" ? "by its age" : "to make room"} on ${went.at}`,
      went.why === "age"
        ? "raise recordings.keep to keep others for longer"
        : "raise recordings.max_bytes to keep more of them",
    );
  const events = await eventsOf(settings, session_id, PROMISING, warn);
  const removal = events.find(
    (event) => isKind(event, "redaction") && removesRecording(event),
  );
  if (removal)
    return fail.not_found(
      `${it} was removed on ${removal.timestamp} by ${removal.redacted_by?.join(", ") ?? "somebody"}`,
      `see: session-buddy list-events ${session_id} --kind redaction`,
    );
  const { server, store } = settings.config;
  const { endpoint } = server;
  const parted = store.url !== null && store.recordings === null;
  const shared = parted
    ? "another server over this database may have it: store.recordings names a folder that all share; "
    : "";
  if (!events.some(promiseIn))
    return fail.not_found(
      `the terminal of session '${session_id}' was not recorded, or not on this host`,
      `${shared}session-buddy shell --record records it; a file is taken by its path, too`,
    );
  return fail.not_found(
    `${it} is not on this host`,
    endpoint === null
      ? `its own host brings it with the next session-buddy drain, unless it went there; ${shared}a file is taken by its path, too`
      : `play it on the host of the server at ${endpoint}, or on its dashboard`,
  );
}

function newest(data: string, current: string | undefined): string {
  const all = recordedSessions(data);
  const found = all.find((id) => id !== current);
  if (found !== undefined) return found;
  throw fail.not_found(
    `no terminal${all.length > 0 ? " but this one" : ""} has been recorded yet`,
    "try: session-buddy shell --record",
  );
}

async function named(
  settings: Settings,
  word: string,
  warn: Warn,
): Promise<string> {
  const session = await withReadable(settings, warn, (store) =>
    findSession(store, word),
  );
  if (session) return session.session_id;
  const here = settings.config.server.endpoint === null;
  const archived = here
    ? await withMaintenance(settings, warn, (one) => one.archived(word))
    : [];
  if (archived.length > 1) throw ambiguous(word, archived);
  const [one] = archived;
  if (!one) throw noSession(word, "try: session-buddy list-sessions");
  const path = recordingPath(one.folder, one.session_id);
  throw fail.not_found(
    `session '${one.session_id}' is archived in '${one.folder}'`,
    isMissing(path)
      ? "there is no recording of it there"
      : `try: session-buddy replay '${path}'`,
  );
}

/** The commands of a session, oldest first. */
export function commandsOf(
  settings: Settings,
  session_id: string,
  warn: Warn,
): Promise<Command[]> {
  return withReadable(settings, warn, (store) => commandsIn(store, session_id));
}

/** Those that a store has of it, oldest first. */
export async function commandsIn(
  store: SessionStore,
  session_id: string,
): Promise<Command[]> {
  const commands = await Array.fromAsync(store.commands({ session_id }));
  return commands.reverse();
}

/** The same; none where there is no store to be asked, which is said. */
export async function commandsIfAny(
  settings: Settings,
  session_id: string,
  warn: Warn,
): Promise<Command[]> {
  try {
    return await commandsOf(settings, session_id, warn);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    warn(`the session's commands are not known: ${error.message}`);
    return [];
  }
}

/**
 * When a command of a session began, in milliseconds since the epoch.
 * @throws Failure (not_found, ambiguous)
 */
export async function commandStart(
  settings: Settings,
  session_id: string,
  reference: string,
  warn: Warn,
): Promise<number> {
  const events = await eventsOf(settings, session_id, undefined, warn);
  // Several where a shell began anew: the first of that number.
  const { event_id } = chosenCommands(reference, events)[0]!;
  const start = events.find((event) => event.event_id === event_id)!;
  return isKind(start, "command_start") ? Date.parse(start.timestamp) : NaN;
}

function eventsOf(
  settings: Settings,
  session_id: string,
  kinds: readonly string[] | undefined,
  warn: Warn,
): Promise<Event[]> {
  const filter = { session_id, ...(kinds && { kinds }) };
  return withReadable(settings, warn, async (store) => {
    const events: Event[] = [];
    for await (const { event } of store.events(filter)) events.push(event);
    return events;
  });
}
