/**
 * Finds, starts and stops the server process. `store.lock` alone decides whether
 * one runs: no file with a pid does.
 */
import { closeSync } from "node:fs";
import { type Settings, statePaths } from "../config/load.ts";
import {
  EXIT_STATUS,
  Failure,
  type FailureCode,
  fail,
} from "../model/failure.ts";
import {
  askableServer,
  claim,
  lockPath,
  runningServer,
} from "../access/claim.ts";
import {
  O_APPEND,
  O_CREAT,
  O_TRUNC,
  O_WRONLY,
  openRegular,
} from "../os/file.ts";
import { ensurePrivateDir } from "../os/paths.ts";
import { identityOf } from "../os/liveness.ts";
import { isStopped } from "../os/proc.ts";
import { tellProcess } from "../os/tell.ts";
import { askToStop } from "../store/remote/maintenance.ts";
import { unresponsiveFailure } from "../store/remote/unresponsive.ts";
import {
  type Holder,
  type StoreLock,
  heldFailure,
  isHeld,
  isHolding,
  readHolder,
} from "../store/lock.ts";

const LOOK_MS = 15;
/** How long a server may take to say that it stops. */
const ASK_MS = 2_000;
/** A server that was just told to stop may not have heard of it yet. */
const DEAF_MS = 1_000;
/** How long a server may take to stop, and a command to be done. */
const STOPPING_MS = 15_000;

/**
 * Takes the lock for a server; waits out one that is stopping, and commands.
 * @throws Failure (already_running) naming the server; (timeout) naming the holder
 */
export const claimToServe = (settings: Settings): Promise<StoreLock> =>
  claim<never>(settings, {
    role: "server",
    holder_ms: STOPPING_MS,
    total_ms: STOPPING_MS,
    server(path, waited_ms) {
      const serves = runningServer(path);
      if (serves && serves.state !== "stopping" && waited_ms > DEAF_MS)
        throw alreadyRunning(serves);
      return null;
    },
  });

function alreadyRunning({ pid, role, url }: Holder): Failure {
  const where = role === "stdio" ? "over stdio" : `at ${url ?? "its socket"}`;
  return fail.already_running(
    `session-buddy serves already, ${where} (pid ${pid})`,
    role === "stdio"
      ? "end the program that started it first"
      : "use it, or try: session-buddy mcp restart",
  );
}

/**
 * The server that runs; null when none does.
 * @throws Failure (timeout) when something holds the lock of which nothing is known
 */
export function findServer(settings: Settings): Holder | null {
  const path = lockPath(settings);
  const holder = runningServer(path);
  if (holder) return holder;
  if (isHeld(path) && readHolder(path)?.role !== "cli")
    throw heldFailure(path, null);
  return null;
}

/** @throws Failure (unreachable) when no server runs */
export function requireServer(settings: Settings): Holder {
  const holder = findServer(settings);
  if (holder) return holder;
  throw fail.unreachable(
    "the server is not running",
    "try: session-buddy mcp start --detach",
  );
}

/**
 * Ends a running server and waits until it has let the database go.
 * @param force kills it when it has not ended in time
 * @throws Failure (timeout) when it is still there then
 */
export async function stop(
  settings: Settings,
  timeout_ms: number,
  force: boolean,
): Promise<Holder> {
  const holder = requireServer(settings);
  const path = lockPath(settings);
  const deadline = performance.now() + timeout_ms;
  const left = () => deadline - performance.now();
  // Where no signal may be sent, all the time is for the answer.
  const ask_ms = isHolding(holder, path) === "yes" ? ASK_MS : timeout_ms;
  if (!(await askedToStop(path, Math.min(ask_ms, timeout_ms)))) {
    // One that is there no more needs no signal.
    if (await released(path, holder, 0)) return holder;
    if (!signalled(path, holder, "SIGTERM") && !force)
      throw unknownHolder(holder);
  }
  if (await released(path, holder, left())) return holder;
  if (force) {
    if (!signalled(path, holder, "SIGKILL")) throw unknownHolder(holder);
    if (await released(path, holder, timeout_ms)) return holder;
  }
  // By a debugger: no signal but its death reaches it.
  if (isStopped(holder.pid)) throw unresponsiveFailure(holder.pid, "timeout");
  throw fail.timeout(
    `the server (pid ${holder.pid}) has not ended within ${timeout_ms / 1000} s`,
    force
      ? "look what it waits for: its disk?"
      : "try --force: what it has acknowledged is on the disk",
  );
}

/** Whether the server says that it stops; one that does so already need not. */
async function askedToStop(path: string, timeout_ms: number): Promise<boolean> {
  if (runningServer(path)?.state === "stopping") return true;
  let socket: string | undefined;
  try {
    socket = askableServer(path)?.socket;
  } catch (error) {
    // Its folder is gone, or another's by now: there are signals.
    if (!(error instanceof Failure)) throw error;
  }
  return socket !== undefined && (await askToStop(socket, timeout_ms));
}

/** A signal, if the process that the holder named has its pid, and the lock. */
function signalled(
  path: string,
  holder: Holder,
  signal: "SIGTERM" | "SIGKILL",
): boolean {
  const who = identityOf(holder);
  const holds = () => isHolding(holder, path) === "yes";
  const told = tellProcess(who, signal, holds);
  // One that was stopped hears of it only when it goes on.
  if (told && signal === "SIGTERM") tellProcess(who, "SIGCONT");
  return told;
}

const unknownHolder = ({ pid }: Holder): Failure =>
  fail.timeout(
    `the server does not answer, and pid ${pid} is no process here of which it is certain that it is the server`,
    "it runs in another container or on another host, or is of an older version: end it there",
  );

/** Whether a holder lets go within a time. */
async function released(
  path: string,
  { pid }: Holder,
  timeout_ms: number,
): Promise<boolean> {
  const deadline = performance.now() + timeout_ms;
  while (isHeld(path) && readHolder(path)?.pid === pid) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(LOOK_MS);
  }
  return true;
}

/**
 * Starts a server that outlives us, and waits until it can be asked.
 * @param flags of `mcp start`, without --detach
 * @throws Failure that the server itself died of
 */
export async function startDetached(
  settings: Settings,
  flags: readonly string[],
): Promise<Holder> {
  const { logs } = statePaths(settings);
  ensurePrivateDir(logs);
  // Another's at the same moment has the same file.
  const how = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND;
  const out = openRegular(`${logs}/server.out`, how);
  // By this path also when the executable was replaced meanwhile.
  const child = Bun.spawn(["/proc/self/exe", "mcp", "start", ...flags], {
    argv0: "session-buddy",
    cwd: "/",
    stdin: "ignore",
    stdout: out,
    stderr: out,
    detached: true,
  });
  closeSync(out);
  child.unref();
  for (;;) {
    const holder = runningServer(lockPath(settings));
    if (holder?.pid === child.pid && holder.state === "ready") return holder;
    if (child.exitCode === EXIT_STATUS.already_running && holder)
      throw alreadyRunning(holder);
    if (child.exitCode !== null || child.signalCode !== null)
      throw await startFailure(`${logs}/server.out`, child.exitCode);
    await Bun.sleep(LOOK_MS);
  }
}

/** What the server that did not start has said, as our own failure. */
async function startFailure(
  output: string,
  exitCode: number | null,
): Promise<Failure> {
  const lines = (await Bun.file(output).text()).trim().split("\n");
  const said = lines.at(-1)?.replace(/^session-buddy: /, "");
  const codes = Object.entries(EXIT_STATUS) as [FailureCode, number][];
  const code = codes.find(([, status]) => status === exitCode)?.[0];
  return new Failure(
    code ?? "storage",
    said || "the server died as it started",
  );
}
