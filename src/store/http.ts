/**
 * The store that a server keeps, asked through the server's own MCP tools: bare
 * JSON-RPC calls, which any revision of the protocol answers with plain JSON.
 */
import {
  type Event,
  type Json,
  MAX_EVENT_BYTES,
  jsonBytes,
} from "../model/event.ts";
import { sessionCursor } from "../model/cursor.ts";
import { Failure, Overloaded, Rejected, reasonOf } from "../model/failure.ts";
import type { EventFilter, SessionFilter } from "../model/filter.ts";
import type { Session } from "../model/session.ts";
import type {
  SessionStats,
  SessionStore,
  StoredEvent,
} from "../model/store.ts";

/** Where a server is, and what proves to it who we are. */
export type Target =
  | { socket: string }
  /** @property token sent as a bearer; null when the server wants none */
  | { url: string; token: string | null };

/** What the server takes in one call: events, and bytes of them. */
const MAX_EVENTS = 1_000;
const MAX_BYTES = 1024 * 1024 - MAX_EVENT_BYTES;
/** A page of rows; the server cuts it where it grows too large. */
const PAGE_ROWS = 10_000;
const MAX_LENGTHENED = 20;
const ANSWER_MS = 30_000;
/** Far more than a server puts into a page. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Whatever HTTP_PROXY says; Bun's types know only where a proxy is. */
export const DIRECT = { proxy: false as unknown as string };

interface Answer {
  result?: { isError?: boolean; structuredContent?: object; content?: Text[] };
  error?: { code: number; message: string };
}
interface Text {
  type: string;
  text?: string;
}

interface Posted {
  status: number;
  /** What its Retry-After header asks for. */
  retry_after_ms: number | null;
  /** null when it was no JSON. */
  answer: Answer | null;
}

/** Calls one tool of a server by a bare POST. */
export class ToolClient {
  private calls = 0;

  constructor(private readonly target: Target) {}

  /**
   * @returns the tool's result object
   * @throws Failure (unreachable, timeout, unauthorized, permission, overloaded, refused)
   */
  async call(tool: string, args: object): Promise<object> {
    const { status, retry_after_ms, answer } = await this.post({
      jsonrpc: "2.0",
      id: ++this.calls,
      method: "tools/call",
      params: { name: tool, arguments: args },
    });
    const said = answer?.error?.message;
    if (status === 401) throw this.unauthorized(said);
    if (status === 403)
      throw new Failure("permission", said ?? `${this.name} refuses us`);
    if (status === 429 || status === 503)
      throw new Overloaded(
        said ?? `${this.name} has too much to do`,
        retry_after_ms,
      );
    // What stands before it says that it is not there.
    if (status === 502 || status === 504)
      throw this.unreachable(`status ${status}`);
    const result = answer?.result;
    if (result?.structuredContent && !result.isError)
      return result.structuredContent;
    const text = result?.content?.find(({ type }) => type === "text")?.text;
    if (status === 200 && (said ?? text))
      throw new Failure("refused", `${this.name} refused: ${said ?? text}`);
    throw this.notOurs(`status ${status}`);
  }

  /** @param why nothing can be made of what it answered */
  notOurs(why: string): Failure {
    return new Failure(
      "refused",
      `${this.name} answered nothing that session-buddy understands (${why})`,
      "check that the address is that of a session-buddy server",
    );
  }

  private async post(message: object): Promise<Posted> {
    const { target } = this;
    const socket = "socket" in target;
    const bearer = socket ? null : target.token;
    let response: Response;
    let body: string;
    try {
      response = await fetch(socket ? "http://localhost/mcp" : target.url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        },
        body: JSON.stringify(message),
        redirect: "error",
        // A proxy would read what a plain connection carries, the bearer too.
        ...(socket || target.url.startsWith("http:") ? DIRECT : {}),
        signal: AbortSignal.timeout(ANSWER_MS),
        ...(socket ? { unix: target.socket } : {}),
      });
      body = await bodyOf(response);
    } catch (error) {
      throw this.unanswered(error);
    }
    const { status, headers } = response;
    const retry_after_ms = retryAfterMs(headers.get("retry-after"));
    try {
      const answer = JSON.parse(body) as Answer;
      return { status, retry_after_ms, answer };
    } catch {
      // No JSON: whoever it is, it is not our server.
      return { status, retry_after_ms, answer: null };
    }
  }

  private unanswered(error: unknown): Failure {
    if ((error as { name?: unknown }).name === "TimeoutError")
      return new Failure(
        "timeout",
        `${this.name} did not answer within ${ANSWER_MS / 1000} s`,
        "socket" in this.target
          ? "see: session-buddy mcp health"
          : "look how it is, on its host: session-buddy mcp health",
        { cause: error },
      );
    return this.unreachable(fetchReason(error), error);
  }

  private unreachable(why: string, cause?: unknown): Failure {
    return new Failure(
      "unreachable",
      `${this.name} cannot be reached: ${why}`,
      "socket" in this.target
        ? "see: session-buddy mcp health"
        : "check SESSION_BUDDY_MCP_ENDPOINT and that the server runs; events wait in the spool",
      { cause },
    );
  }

  private unauthorized(said: string | undefined): Failure {
    return new Failure(
      "unauthorized",
      `${this.name} wants another token: ${said ?? "unauthorized"}`,
      "set SESSION_BUDDY_TOKEN to one that `session-buddy token` prints on the server's host",
    );
  }

  private get name(): string {
    return "socket" in this.target
      ? "the server"
      : `the server at ${this.target.url}`;
  }
}

export class HttpStore implements SessionStore {
  private readonly client: ToolClient;

  constructor(target: Target) {
    this.client = new ToolClient(target);
  }

  async append(events: readonly Event[]): Promise<ReadonlySet<string>> {
    const stored = new Set<string>();
    const rejected = new Map<string, string>();
    for (const batch of batches(events))
      for (const [i, { status, error }] of (
        await this.track(batch)
      ).entries()) {
        const { event_id } = batch[i]!;
        if (status === "stored") stored.add(event_id);
        else if (status === "rejected")
          rejected.set(event_id, error ?? "without a reason");
      }
    if (rejected.size > 0) throw new Rejected(rejected, stored);
    return stored;
  }

  async seen(signs: ReadonlyMap<string, string>): Promise<void> {
    const heartbeats = [...signs].map(([session_id, timestamp]): Event => ({
      event_version: "1.0",
      event_id: Bun.randomUUIDv7(),
      event_type: "heartbeat",
      session_id,
      timestamp,
    }));
    for (const batch of batches(heartbeats)) await this.track(batch);
  }

  private async track(events: Event[]): Promise<EventResult[]> {
    const sent_at = new Date().toISOString();
    const args = { sent_at, events };
    const { results } = (await this.client.call("track_events", args)) as {
      results?: EventResult[];
    };
    // What leaves the spool by this answer is nowhere else: each event has its own.
    if (
      results?.length !== events.length ||
      !results.every(({ status }) => EVENT_STATUS.has(status))
    )
      throw this.client.notOurs("not every event has its result");
    return results;
  }

  async *list(filter: SessionFilter): AsyncIterable<Session> {
    const { limit, from } = filter;
    const cursor = from && sessionCursor(from);
    const args = asked(filter);
    for await (const page of this.pages("list_sessions", args, cursor, limit))
      yield* (page as { sessions: Session[] }).sessions;
  }

  async *events({ limit, ...filter }: EventFilter): AsyncIterable<StoredEvent> {
    for await (const page of this.pages(
      "list_events",
      filter,
      undefined,
      limit,
    ))
      yield* (page as { events: StoredEvent[] }).events;
  }

  private async *pages(
    tool: string,
    filter: object,
    cursor: string | undefined,
    limit = Infinity,
  ): AsyncIterable<object> {
    for (let left = limit; left > 0;) {
      const page = (await this.client.call(tool, {
        ...filter,
        limit: Math.min(left, PAGE_ROWS),
        ...(cursor === undefined ? {} : { cursor }),
      })) as Page;
      yield page;
      if (page.next_cursor === null) return;
      cursor = page.next_cursor;
      left -= (page.sessions ?? page.events)!.length;
    }
  }

  async get(session_id: string): Promise<Session | null> {
    // Longer ids may begin with this one, but hardly many.
    const filter = { reference: session_id, limit: MAX_LENGTHENED };
    for await (const session of this.list(filter))
      if (session.session_id === session_id) return session;
    return null;
  }

  async stats(filter: SessionFilter): Promise<SessionStats> {
    return (await this.client.call(
      "session_stats",
      asked(filter),
    )) as SessionStats;
  }

  async close(): Promise<void> {
    // Every call stands alone: nothing is held.
  }
}

/** What became of an event, in the order they were sent. */
interface EventResult {
  status: string;
  error: string | null;
}
const EVENT_STATUS: ReadonlySet<string> = new Set([
  "stored",
  "duplicate",
  "rejected",
]);

interface Page {
  sessions?: Session[];
  events?: StoredEvent[];
  next_cursor: string | null;
}

/** A filter as the tools' arguments name it. */
function asked(filter: SessionFilter): object {
  const { session_type, component_name, username, ...rest } = filter;
  const { limit: _limit, from: _from, ...same } = rest;
  return {
    ...same,
    ...(session_type === undefined ? {} : { type: session_type }),
    ...(component_name === undefined ? {} : { component: component_name }),
    ...(username === undefined ? {} : { user: username }),
  };
}

/** Events in portions that one call takes. */
function* batches(events: readonly Event[]): Generator<Event[]> {
  let batch: Event[] = [];
  let bytes = 0;
  for (const event of events) {
    const size = jsonBytes(event as unknown as Json);
    if (
      batch.length === MAX_EVENTS ||
      (bytes > 0 && bytes + size > MAX_BYTES)
    ) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(event);
    bytes += size + 1;
  }
  if (batch.length > 0) yield batch;
}

/** An answer that has no end would fill the memory. */
async function bodyOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES)
      throw new Error(`its answer is larger than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Seconds or a date, as HTTP has it. */
function retryAfterMs(header: string | null): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header)
    ? Number(header) * 1_000
    : Date.parse(header) - Date.now();
  return Number.isFinite(ms) && ms >= 0 ? ms : null;
}

/** Without the runtime's advice to programmers. */
export const fetchReason = (error: unknown): string =>
  reasonOf(error)
    .replace(/ fetching "[^"]*"\. For more information,.*$/s, "")
    .replace(/\. Is the computer able to access the url\?$/, "");

export interface Health {
  status: string;
  service: string;
  version: string;
  checks: Record<string, string>;
}

/**
 * How a server on this host is.
 * @param socket where it listens for our own commands
 * @throws Failure (unhealthy) when it does not answer properly
 */
export async function askHealth(socket: string): Promise<Health> {
  try {
    const response = await fetch("http://localhost/health", {
      unix: socket,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return (await response.json()) as Health;
  } catch (error) {
    throw new Failure(
      "unhealthy",
      `the server does not answer: ${reasonOf(error)}`,
      "see: session-buddy mcp logs; then: session-buddy mcp restart --force",
      { cause: error },
    );
  }
}
