/**
 * Detects a server on this host that does not answer: stopped by a signal or a
 * debugger, or hung. Its socket accepts connections all the same, so its health is
 * asked for while a request waits. One that is at work, on a busy machine perhaps, has
 * longer.
 */
import { Failure, isTimeout } from "../../model/failure.ts";
import { isAtWork, isStopped } from "../../os/proc.ts";

interface WatchTimes {
  /** How long an answer may take before the server is probed. */
  calm_ms: number;
  /** How long the probe may take: a server with many callers answers at once. */
  probe_ms: number;
}

const TIMES: WatchTimes = { calm_ms: 3_000, probe_ms: 2_000 };

/** Probes without an answer, one behind the other, of a server that sleeps; of one at work. */
const MOST_LATE = { asleep: 2, at_work: 30 };

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
  private late = 0;

  constructor(
    private readonly server: LocalServer,
    private readonly times: WatchTimes = TIMES,
  ) {
    this.timer = this.begin(times.calm_ms);
  }

  get signal(): AbortSignal {
    return this.ending.signal;
  }

  private begin(after_ms: number) {
    return setTimeout(() => void this.probe(), after_ms);
  }

  private async probe(): Promise<void> {
    const { socket, pid } = this.server;
    try {
      await fetchHealth(socket, this.times.probe_ms);
      this.late = 0;
    } catch (error) {
      // Else it is gone, and the request fails by itself.
      if (isTimeout(error)) this.late++;
    }
    const most = MOST_LATE[isAtWork(pid) ? "at_work" : "asleep"];
    if (this.late >= most || (this.late > 0 && isStopped(pid)))
      return this.ending.abort(unresponsiveFailure(pid, "timeout"));
    if (!this.over)
      this.timer = this.begin(this.late > 0 ? 0 : this.times.calm_ms);
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
  if (isAtWork(pid))
    return new Failure(
      code,
      `the server (pid ${pid}) is at work, and has not answered for long`,
      "try again in a moment; if it stays so: session-buddy mcp restart --force",
    );
  return new Failure(
    code,
    `the server (pid ${pid}) does not answer`,
    "see: session-buddy mcp logs; then: session-buddy mcp restart --force",
  );
}
