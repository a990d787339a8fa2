/**
 * Finds the session that runs and is recorded, and follows its screen: by its file on
 * this host, else by the server that its sessions are with.
 */
import { checkEndpoint, clientToken } from "../auth/token.ts";
import { type Settings, recordingsRoot } from "../config/load.ts";
import { Failure, type Warn, fail } from "../model/failure.ts";
import { LiveScreen } from "../model/recording/live.ts";
import { recordingPath } from "../model/recording/place.ts";
import { sizeIn } from "../model/recording/playback.ts";
import { Screen } from "../model/recording/screen.ts";
import { Parser } from "../model/recording/sequences.ts";
import { findSession, noSession } from "../model/reference.ts";
import type { Session } from "../model/session.ts";
import type { SessionStore } from "../model/store.ts";
import { isMissing } from "../os/file.ts";
import { SESSION_ID_VARIABLE } from "../os/parent.ts";
import { hostNames } from "../os/proc.ts";
import { statFile } from "../os/stat.ts";
import { spoolFolder } from "../spool/write.ts";
import { followCast } from "../store/remote/cast.ts";
import { type Ending, followRecording, without } from "./follow-recording.ts";
import { withReadable } from "./open.ts";
import { OpenRecording, findRecorded, recordingBegan } from "./recordings.ts";

/** A screen that changes. */
export interface LiveLook {
  session_id: string;
  /** Another one where a server sends it: once the first step is done. */
  screen(): Screen;
  /**
   * @param gone ends it
   * @returns why nothing more comes; null once it is ended
   */
  steps(gone: AbortSignal): AsyncGenerator<boolean, Ending | null>;
  /** Whether a server shows it, and records who watches. */
  byServer: boolean;
}

/** How deep sessions may be in each other. */
const MOST_PARENTS = 16;
/** Until it is asked again whether a session is over that shows nothing and writes nothing. */
const ASK_MS = 5_000;

/**
 * The session that a word means; without one the only one that can be watched.
 * @param ended says how one has ended; null while it runs
 * @throws Failure when there is none, or it cannot be
 */
export async function findLive(
  settings: Settings,
  word: string | undefined,
  ended: (session: Session) => string | null,
  warn: Warn,
): Promise<Session> {
  const data = recordingsRoot(settings);
  const recorded = word === undefined ? null : findRecorded(data, word);
  return withReadable(settings, warn, async (store) => {
    const around = await sessionsAround(store);
    if (word === undefined) return onlyLive(settings, store, around);
    const session = await findSession(store, recorded ?? word);
    if (!session) throw noSession(word, "try: session-buddy list-sessions");
    const { session_id } = session;
    const over = ended(session);
    if (over !== null)
      throw fail.gone(
        `${session_id}: ${over}`,
        `try: session-buddy replay ${session_id}`,
      );
    if (around.has(session_id))
      throw fail.refused(
        "you are in that session, and what you saw of it would be in it again",
        "watch it from a terminal of its own",
      );
    return session;
  });
}

async function onlyLive(
  settings: Settings,
  store: SessionStore,
  around: ReadonlySet<string>,
): Promise<Session> {
  const data = recordingsRoot(settings);
  const here = ({ session_id }: Session) =>
    !around.has(session_id) && !isMissing(recordingPath(data, session_id));
  const all = await Array.fromAsync(store.list({ status: "active" }));
  const live = all.filter(here);
  if (live.length > 1)
    throw fail.ambiguous(
      `${live.length} sessions that run here are recorded`,
      `name one: ${live.map(({ session_id }) => session_id).join(", ")}`,
    );
  if (live[0]) return live[0];
  throw fail.not_found(
    `no session that runs here is recorded${around.size > 0 ? ", but the one that we are in" : ""}`,
    "try: session-buddy shell --record",
  );
}

/** The session that we are in, and those that it is in. */
async function sessionsAround(store: SessionStore): Promise<Set<string>> {
  const around = new Set<string>();
  let id = process.env[SESSION_ID_VARIABLE] ?? null;
  while (id && !around.has(id) && around.size < MOST_PARENTS) {
    around.add(id);
    id = (await store.get(id))?.parent_session_id ?? null;
  }
  return around;
}

/** @throws Failure when it is not recorded, or elsewhere */
export async function openLive(
  settings: Settings,
  session: Session,
  ended: (session: Session) => string | null,
  warn: Warn,
): Promise<LiveLook> {
  const { session_id, hostname } = session;
  const data = recordingsRoot(settings);
  const { endpoint } = settings.config.server;
  const isHere = hostname === hostNames().hostname;
  if (isHere && (await recordingBegan(data, session)))
    return ofFile(settings, session_id, ended, warn);
  if (endpoint !== null) return ofServer(endpoint, settings, session_id);
  if (isHere)
    throw fail.not_found(
      `the terminal of session '${session_id}' is not recorded`,
      "session-buddy shell --record records it",
    );
  throw fail.not_found(
    `session '${session_id}' runs on ${hostname}`,
    `on that host: session-buddy replay --follow ${session_id}`,
  );
}

function ofFile(
  settings: Settings,
  session_id: string,
  ended: (session: Session) => string | null,
  warn: Warn,
): LiveLook {
  const path = recordingPath(recordingsRoot(settings), session_id);
  const recording = OpenRecording.open(path, true);
  const live = new LiveScreen(recording.reader);
  const over = watchEnd(settings, session_id, ended, warn);
  return {
    ...{ session_id, byServer: false },
    screen: () => live.screen,
    async *steps(gone) {
      using _ = recording;
      const take = () => {};
      const steps = followRecording({ recording, live, over, take });
      for (;;) {
        const { value, done } = await steps.next();
        if (gone.aborted) return null;
        if (done) return value;
        yield value;
      }
    },
  };
}

/** Asks whether a session is over when its own file changed, and else now and then. */
function watchEnd(
  settings: Settings,
  session_id: string,
  ended: (session: Session) => string | null,
  warn: Warn,
): () => Promise<Ending | null> {
  const file = `${spoolFolder(settings.paths.data!)}/${session_id}.ndjson`;
  let known: string | null = null;
  let asked_at = performance.now();
  return async () => {
    const stat = statFile(file, { follow: false });
    const facts = stat && `${stat.bytes} ${stat.modified_ms}`;
    const now = performance.now();
    const same = facts !== null && facts === known;
    known = facts;
    if (same && now - asked_at < ASK_MS) return null;
    asked_at = now;
    try {
      return await withReadable(settings, warn, async (store) => {
        const session = await store.get(session_id);
        const why = session ? ended(session) : "the session was removed";
        if (why === null) return null;
        return { why, exit_code: session?.exit_code ?? null };
      });
    } catch (error) {
      // Another has the database, or a server is away: it is asked again.
      if (error instanceof Failure) return null;
      throw error;
    }
  };
}

async function ofServer(
  url: string,
  settings: Settings,
  session_id: string,
): Promise<LiveLook> {
  const token = await clientToken(settings, process.env);
  checkEndpoint(url, token);
  let screen = new Screen({ columns: 80, rows: 24 });
  let parser = new Parser(screen);
  const encoder = new TextEncoder();
  /** @returns what a marker says */
  const take = (line: unknown): string | null => {
    if (!Array.isArray(line)) {
      const { cols, rows } = Object((line as { term?: unknown })?.term) as {
        [key: string]: unknown;
      };
      const size = sizeIn(encoder.encode(`${String(cols)}x${String(rows)}`));
      if (size) screen = new Screen(size);
      parser = new Parser(screen);
      return null;
    }
    const [, code, data] = line as unknown[];
    if (typeof data !== "string") return null;
    if (code === "m") return data;
    const bytes = encoder.encode(data);
    if (code === "o") parser.write(bytes);
    const size = code === "r" ? sizeIn(bytes) : null;
    if (size) screen.resize(size);
    return null;
  };
  return {
    ...{ session_id, byServer: true },
    screen: () => screen,
    async *steps(gone) {
      let said: string | null = null;
      for await (const line of followCast({ url, token }, session_id, gone)) {
        said = take(line) ?? said;
        yield true;
      }
      if (gone.aborted) return null;
      return without(said ?? "the server has ended it");
    },
  };
}
