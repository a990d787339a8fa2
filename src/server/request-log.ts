/**
 * What the log says of requests. It has room for so much, and whoever is refused
 * may come as often as he likes: of his refusals one line a second is written,
 * with their number.
 */
import type { Log } from "../log.ts";
import type { Caller } from "./caller.ts";
import { keyOf } from "./pressure.ts";
import type { Route } from "./refusal.ts";

/** Between two lines of one peer. */
const PAUSE_MS = 1_000;
/** Peers who have lines of their own at the same time; all others share one. */
const PEERS_MAX = 32;

/** What came of a peer since his last line. */
interface Since {
  count: number;
  /** Of the last one. */
  fields: object;
}

export class RequestLog {
  private readonly peers = new Map<string, Since>();

  constructor(private readonly log: Log) {}

  request(method: string, route: Route, status: number, caller: Caller): void {
    const { request_id, via, uid, address, token } = caller;
    const fields = {
      ...{ request_id, method, route, status, via, uid },
      ...{ address, subject: token?.subject ?? null },
    };
    if (status < 400) return this.log.debug("request", fields);
    const level = status >= 500 ? "error" : "warn";
    const own = `${level} ${keyOf(caller)}`;
    const full = this.peers.size >= PEERS_MAX && !this.peers.has(own);
    this.failed(level, full ? `${level} others` : own, fields);
  }

  private failed(level: "warn" | "error", key: string, fields: object): void {
    const since = this.peers.get(key);
    if (since) {
      since.count++;
      since.fields = fields;
      return;
    }
    this.write(level, fields);
    this.pause(level, key);
  }

  private pause(level: "warn" | "error", key: string): void {
    const since: Since = { count: 0, fields: {} };
    this.peers.set(key, since);
    setTimeout(() => {
      this.peers.delete(key);
      if (since.count === 0) return;
      this.write(level, { ...since.fields, requests: since.count });
      this.pause(level, key);
    }, PAUSE_MS).unref();
  }

  private write(level: "warn" | "error", fields: object): void {
    const event = level === "error" ? "request" : "request_refused";
    this.log[level](event, fields);
  }
}
