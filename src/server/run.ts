/**
 * Runs a server in the foreground: it takes the lock, opens the database, listens,
 * says where, and on TERM or INT stops accepting, commits what it has, and ends.
 */
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { type Settings, statePaths, recordingsRoot } from "../config/load.ts";
import { Log } from "../log/log.ts";
import { EXIT_STATUS, fail } from "../model/failure.ts";
import type { EventFilter } from "../model/filter.ts";
import { listen } from "../model/progress.ts";
import { databaseName } from "../access/claim.ts";
import { say } from "../os/file.ts";
import { endAs, libc } from "../os/libc.ts";
import { notifySystemd } from "../os/notify.ts";
import { ensurePrivateDir } from "../os/paths.ts";
import { isLoopback } from "../os/address.ts";
import { processStatus } from "../os/proc.ts";
import { SIGNALS } from "../os/signals.ts";
import type { Holder, StoreLock } from "../store/lock.ts";
import { spoolFolder } from "../spool/write.ts";
import { VERSION } from "../version.ts";
import { PageAccess } from "../auth/page.ts";
import { readSecret } from "../auth/secret.ts";
import { Auth } from "../auth/verify.ts";
import { Exports } from "./exports.ts";
import { Recordings } from "./recordings.ts";
import { ServerStore } from "./store.ts";
import { claimToServe } from "./daemon.ts";
import { Metrics } from "./http/metrics.ts";
import { ReceivedRecordings } from "./received-recordings.ts";
import { Serving, type ServingParts } from "./http/server.ts";

interface ServeOptions {
  /** Offer no tools that record anything. */
  readOnly: boolean;
  /** The flags that a restart gives again. */
  flags: string[];
}

/**
 * How long a server may take to end: calls under way, a last look at the spool,
 * the database. Then it goes as it is, for what it has acknowledged is on the
 * disk; a second later the kernel ends it.
 */
const STOP_SECONDS = 9;

/** Says what a person should know of the server, a line at a time. */
type Say = (sentence: string) => void;

/**
 * Serves until it is told to stop.
 * @returns the exit status
 * @throws Failure when it cannot begin
 */
export async function serveHere(
  settings: Settings,
  options: ServeOptions,
  say: Say,
): Promise<number> {
  const { told, stop } = begin();
  const auth = Auth.fromSettings(settings, process.env);
  refuseOpenAddress(settings, auth);
  const { socket } = statePaths(settings);
  ensurePrivateDir(settings.paths.data!);
  ensurePrivateDir(dirname(socket));
  const log = Log.open(settings);
  const lock = await claimToServe(settings);
  const holder: Holder = {
    pid: process.pid,
    role: "server",
    version: VERSION,
    started_at: new Date().toISOString(),
    flags: options.flags,
  };
  lock.sign({ ...holder, state: "starting" });
  const { readOnly } = options;
  const given = { settings, auth, log, readOnly, stop };
  const { serving, close } = await serveDatabase(lock, given, Serving.start);
  const ready = { ...holder, socket, url: serving.url! };
  lock.sign({ ...ready, state: "ready" });
  announce(settings, auth, serving, options, say);
  log.info("ready", { url: serving.url, version: VERSION, pid: process.pid });
  notifySystemd(`READY=1\nSTATUS=${serving.url}`);
  const why = await told;
  log.info("stopping", { why });
  say(`stopping (${why}): what was acknowledged is written`);
  notifySystemd("STOPPING=1");
  lock.sign({ ...ready, state: "stopping" });
  await close();
  log.info("stopped", {});
  say("stopped");
  return 0;
}

type Given = Pick<
  ServingParts,
  "settings" | "auth" | "log" | "readOnly" | "stop"
>;

/** Serves our own commands alone, and whoever calls the tools in this process. */
export const serveLocally = (lock: StoreLock, given: Given) =>
  serveDatabase(lock, given, Serving.startLocal);

/** @throws Failure when the database cannot be opened, or nobody be listened to */
async function serveDatabase(
  lock: StoreLock,
  given: Given,
  start: (parts: ServingParts) => Promise<Serving>,
) {
  const { settings, log } = given;
  const { socket } = statePaths(settings);
  const metrics = new Metrics();
  const store = await ServerStore.open(settings, lock, log, metrics);
  const spool = spoolFolder(settings.paths.data!);
  const root = recordingsRoot(settings);
  const kept = settings.config.recordings;
  const promises = {
    summary: (session_id: string) => store.summary(session_id),
    events: (filter: EventFilter) => store.stored.events(filter),
  };
  const received = new ReceivedRecordings(root, kept, promises, log);
  let exports: Exports | null = null;
  try {
    exports = await Exports.begin(settings, store, log);
    metrics.exports = () => exports!.figures();
    const { secret_file } = settings.config.auth;
    const pageAccess = new PageAccess(readSecret(secret_file, process.env));
    const { url, recordings: shared } = settings.config.store;
    const parted = url !== null && shared === null;
    const recordings = new Recordings(root, parted, store, log);
    metrics.recordings = () => received.room.figures();
    const heard = { store, received, metrics };
    const own = { ...heard, pageAccess, recordings, spool, socket };
    const parts = { ...given, ...own };
    const serving = await start(parts);
    return {
      serving,
      /** Stops listening, lets calls end, commits what they brought, frees the lock. */
      async close() {
        try {
          await store.endQueries();
          await serving.stop();
          await exports!.stop();
          received.room.close();
          // Ours still: the lock is held.
          rmSync(socket, { force: true });
        } finally {
          await store.close();
        }
      },
    };
  } catch (error) {
    received.room.close();
    await exports?.stop();
    await store.close();
    throw error;
  }
}

/**
 * What comes first in a server.
 * @returns `told` resolves with the reason to stop, a signal or that of `stop`;
 *   from then on the server has STOP_SECONDS
 */
export function begin() {
  // What it drains is nothing that a person waits for.
  listen(null);
  const { promise, resolve } = Promise.withResolvers<string>();
  let heard = false;
  const stop = (why: string) => {
    if (heard) return;
    heard = true;
    resolve(why);
    setTimeout(endAsItIs, STOP_SECONDS * 1_000);
    libc?.endAfter(STOP_SECONDS + 1);
  };
  // nohup: who is not to hear of a hangup goes on.
  const { ignored } = processStatus("self");
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
    if (!ignored.has(SIGNALS[signal])) process.on(signal, () => stop(signal));
  return { told: promise, stop };
}

function endAsItIs(): void {
  say(
    `session-buddy: the server has not come to its end within ${STOP_SECONDS} s, and goes as it is: what it has acknowledged is on the disk\n`,
  );
  endAs(EXIT_STATUS.timeout, null);
}

function refuseOpenAddress({ config }: Settings, auth: Auth): void {
  const { host } = config.server;
  if (auth.required || host === "localhost" || isLoopback(host)) return;
  throw fail.config(
    `'${host}' can be reached from other hosts, and no secret is set`,
    "set SESSION_BUDDY_SECRET (32 characters or more), or listen on 127.0.0.1",
  );
}

function announce(
  settings: Settings,
  auth: Auth,
  { url }: Serving,
  { readOnly }: ServeOptions,
  say: Say,
): void {
  say(`MCP server ${VERSION} at ${url}`);
  say(
    readOnly
      ? "Session Tracking: ✗ Disabled - the server was started with --read-only"
      : "Session Tracking: ✓ Enabled",
  );
  say(
    auth.required
      ? "Authentication: on (a token is needed, see session-buddy token)"
      : "Authentication: off (only this user and root are served; set SESSION_BUDDY_SECRET to serve others)",
  );
  say(`Database: ${databaseName(settings)}`);
  say(`Logs: ${statePaths(settings).logs} (session-buddy mcp logs -f)`);
  say(`ready (pid ${process.pid})`);
}
