/**
 * Detects a server on this host that does not answer: stopped by a signal or a
 * debugger, or hung. Its socket accepts connections all the same, so its health is
 * asked for while a request waits. One that is at work, on a busy machine perhaps, is
 * neither: it has the time that the request has.
 */
import { Failure } from "../../model/failure.ts";
import { isAtWork, isStopped } from "../../os/proc.ts";

interface WatchTimes {
  /** How long an answer may take before the server is probed. */
  calm_ms: number;
  /** How long the probe may take: a server with many callers answers at once. */
  probe_ms: number;
}

const TIMES: WatchTimes = { calm_ms: 3_000, probe_ms: 2_000 };

/** A server on this host, by its socket. */
export interface LocalServer {
  socket: string;
  /** As it has signed the lock. */
  pid: number;
}

/** Aborts a request to a server that does not answer a probe. */
export class Watchdog implements Disposable {
  private readonly ending = new AbortController();
  private timer: ReturnType<typeof setTimeout>;

  constructor(
    private readonly server: LocalServer,
    private readonly times: WatchTimes = TIMES,
  ) {
    this.timer = this.begin();
  }

  get signal(): AbortSignal {
    return this.ending.signal;
  }

  private begin() {
    return setTimeout(() => void this.probe(), this.times.calm_ms);
  }

  private async probe(): Promise<void> {
    const { socket, pid } = this.server;
    try {
      await fetchHealth(socket, this.times.probe_ms);
    } catch (error) {
      const late = (error as { name?: unknown }).name === "TimeoutError";
      if (late && !isAtWork(pid))
        return this.ending.abort(unresponsiveFailure(pid, "timeout"));
      // Else it is gone, and the request fails by itself.
    }
    if (!this.over) this.timer = this.begin();
  }

  private over = false;

  [Symbol.dispose](): void {
    this.over = true;
    clearTimeout(this.timer);
  }
}

/**
 * The answer to /health.
 * @throws Error by the name TimeoutError when it says nothing in time
 */
export async function fetchHealth(
  socket: string,
  ms: number,
): Promise<unknown> {
  const response = await fetch("http://localhost/health", {
    unix: socket,
    signal: AbortSignal.timeout(ms),
  });
  return response.json();
}

export function unresponsiveFailure(
  pid: number,
  code: "timeout" | "unhealthy",
): Failure {
  if (isStopped(pid))
    return new Failure(
      code,
      `the server (pid ${pid}) is stopped, by a signal or a debugger`,
      `let it go on: kill -CONT ${pid}; or end it: session-buddy mcp stop --force`,
    );
  return new Failure(
    code,
    `the server (pid ${pid}) does not answer`,
    "see: session-buddy mcp logs; then: session-buddy mcp restart --force",
  );
}
