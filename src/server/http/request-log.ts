/**
 * Logs requests and failed calls. A peer that is refused may come as often as it
 * likes, so its refusals get one line a second, with their number.
 */
import type { Log } from "../../log/log.ts";
import { Failure, reasonOf } from "../../model/failure.ts";
import type { Caller } from "../tools/tool.ts";
import { keyOf } from "./rate-limit.ts";
import type { Route } from "./routes.ts";

/** Between two lines of one peer. */
const PAUSE_MS = 1_000;
/** Peers (of each kind of line) who have lines of their own at the same time; all others share one. */
const PEERS_MAX = 32;

/** What came of a peer since its last line. */
interface Since {
  count: number;
  /** Of the last one. */
  fields: object;
}

type Level = "warn" | "error";

export class RequestLog {
  private readonly peers = new Map<string, Since>();

  /** @param uid the server's user: each line of that user and of root is written */
  constructor(
    private readonly log: Log,
    private readonly uid: number,
  ) {}

  request(method: string, route: Route, status: number, caller: Caller): void {
    const { request_id, via, uid, address, token } = caller;
    const fields = {
      ...{ request_id, method, route, status, via, uid },
      ...{ address, subject: token?.subject ?? null },
    };
    if (status < 400) this.log.debug("request", fields);
    else if (status >= 500) this.failed("error", "request", caller, fields);
    else this.failed("warn", "request_refused", caller, fields);
  }

  /** A call of a tool that failed; what the caller can mend is a warning. */
  readonly call = (error: unknown, tool: string, caller: Caller): void => {
    const { request_id } = caller;
    const fields = { request_id, tool, reason: reasonOf(error) };
    if (!(error instanceof Failure) || error.code === "storage")
      this.failed("error", "tool_failed", caller, fields);
    // Too much at once is said of the request, in the answer's status.
    else if (error.code !== "overloaded")
      this.failed("warn", "tool_refused", caller, fields);
  };

  /** What failed of what a caller asked for. */
  private failed(
    level: Level,
    event: string,
    caller: Caller,
    fields: object,
  ): void {
    const own = caller.uid === this.uid || caller.uid === 0;
    if (own || caller.via !== "tcp") return this.log[level](event, fields);
    const key = `${event} ${keyOf(caller)}`;
    const full = this.peers.size >= PEERS_MAX && !this.peers.has(key);
    const line = full ? event : key;
    const since = this.peers.get(line);
    if (!since) {
      this.log[level](event, fields);
      return this.pause(level, event, line);
    }
    since.count++;
    since.fields = fields;
  }

  private pause(level: Level, event: string, key: string): void {
    const since: Since = { count: 0, fields: {} };
    this.peers.set(key, since);
    setTimeout(() => {
      this.peers.delete(key);
      if (since.count === 0) return;
      this.log[level](event, { ...since.fields, requests: since.count });
      this.pause(level, event, key);
    }, PAUSE_MS).unref();
  }
}
