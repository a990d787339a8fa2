/**
 * Calls a server's tools, each by one JSON-RPC POST, which any revision of the protocol
 * answers with plain JSON; and asks for its health.
 */
import type { Clock } from "../../model/clock.ts";
import {
  Failure,
  type FailureCode,
  Overloaded,
  fail,
  fetchReason,
  isTimeout,
} from "../../model/failure.ts";
import { FAILURE, NOT_DRAINED, SAME_FOR_ALL } from "../../model/store.ts";
import { COMMAND_HEADER, runningCommand } from "../../model/running.ts";
import {
  type LocalServer,
  Watchdog,
  fetchHealth,
  unresponsiveFailure,
} from "./unresponsive.ts";

/** A server, and the credentials for it. */
export type Target =
  | LocalServer
  /** @property token sent as a bearer; null when the server wants none */
  | { url: string; token: string | null };

const ANSWER_MS = 30_000;
const HEALTH_MS = 5_000;
/** Far more than a server puts into a page. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Whatever HTTP_PROXY says; Bun's types know only where a proxy is. */
export const DIRECT = { proxy: false as unknown as string };

/** What a server of any version says of a tool, or of an argument, that it lacks. */
const UNKNOWN = /^Tool (\w+) not found$|Unrecognized keys?: "(\w+)"/;

interface Answer {
  result?: {
    isError?: boolean;
    structuredContent?: object;
    content?: Text[];
    _meta?: Record<string, unknown>;
  };
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

export class ToolClient {
  private calls = 0;

  /** @param notDrained is told why the spool of the server's host was not drained */
  constructor(
    private readonly target: Target,
    private readonly notDrained: (why: string) => void = () => {},
    private readonly now: Clock = Date.now,
  ) {}

  /**
   * @param args as an object, or as the JSON of one
   * @param work_ms how long its work may take, beside what every answer may
   * @returns the tool's result object
   * @throws Failure (unreachable, timeout, unauthorized, permission, overloaded,
   *   outdated, refused)
   */
  async call(
    tool: string,
    args: object | string,
    work_ms = 0,
  ): Promise<object> {
    const json = typeof args === "string" ? args : JSON.stringify(args);
    const { status, retry_after_ms, answer } = await this.post(
      `{"jsonrpc":"2.0","id":${++this.calls},"method":"tools/call","params":{"name":"${tool}","arguments":${json}}}`,
      ANSWER_MS + work_ms,
    );
    const said = answer?.error?.message;
    if (status === 401) throw this.unauthorized(said);
    if (status === 403)
      throw fail.permission(said ?? `${this.name} refuses us`);
    if (status === 429 || status === 503)
      throw new Overloaded(
        said?.replace(/ \(try again in a moment\)$/, "") ??
          `${this.name} has too much to do`,
        retry_after_ms,
      );
    // A proxy says so.
    if (status === 502 || status === 504)
      throw this.unreachable(`status ${status}`);
    const result = answer?.result;
    if (result?.structuredContent && !result.isError)
      return result.structuredContent;
    const same = failureIn(result?._meta?.[FAILURE]);
    if (status === 200 && same) throw same;
    const text = result?.content?.find(({ type }) => type === "text")?.text;
    const unknown = UNKNOWN.exec(said ?? text ?? "")
      ?.slice(1)
      .find(Boolean);
    if (status === 200 && unknown) throw this.outdated(unknown);
    if (status === 200 && said)
      throw fail.refused(`${this.name} refused: ${said}`);
    if (status === 200 && text)
      throw fail.refused(`${this.name} says: ${text}`);
    throw this.notOurs(`status ${status}`);
  }

  notOurs(why: string): Failure {
    return fail.refused(
      `${this.name} answered nothing that session-buddy understands (${why})`,
      "check that the address is that of a session-buddy server",
    );
  }

  private outdated(unknown: string): Failure {
    return fail.outdated(
      `${this.name} is older than this session-buddy and does not know '${unknown}'`,
      "socket" in this.target
        ? "try: session-buddy mcp restart"
        : "bring it up to this version on its host",
    );
  }

  private async post(message: string, answer_ms: number): Promise<Posted> {
    const { target } = this;
    const socket = "socket" in target;
    const bearer = socket ? null : target.token;
    const command = socket ? runningCommand() : null;
    const signals = [AbortSignal.timeout(answer_ms)];
    using watchdog = socket ? new Watchdog(target) : null;
    if (watchdog) signals.push(watchdog.signal);
    let response: Response;
    let body: string;
    try {
      response = await fetch(socket ? "http://localhost/mcp" : target.url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
          ...(command === null ? {} : { [COMMAND_HEADER]: command }),
        },
        body: message,
        redirect: "error",
        // A proxy would read a plain connection, the bearer too.
        ...(socket || target.url.startsWith("http:") ? DIRECT : {}),
        signal: AbortSignal.any(signals),
        ...(socket ? { unix: target.socket } : {}),
      });
      body = await bodyOf(response);
    } catch (error) {
      throw this.unanswered(error, answer_ms);
    }
    const { status, headers } = response;
    const late = headers.get(NOT_DRAINED);
    if (socket && late !== null) this.notDrained(decodeURIComponent(late));
    const retry_after_ms = retryAfterMs(headers.get("retry-after"), this.now());
    try {
      const answer = JSON.parse(body) as Answer;
      return { status, retry_after_ms, answer };
    } catch {
      // No JSON: it is not our server.
      return { status, retry_after_ms, answer: null };
    }
  }

  private unanswered(error: unknown, answer_ms: number): Failure {
    if (error instanceof Failure) return error;
    if (isTimeout(error))
      return fail.timeout(
        `${this.name} did not answer within ${answer_ms / 1000} s`,
        "socket" in this.target
          ? "see: session-buddy mcp health"
          : "look how it is, on its host: session-buddy mcp health",
        { cause: error },
      );
    return this.unreachable(fetchReason(error), error);
  }

  private unreachable(why: string, cause?: unknown): Failure {
    return fail.unreachable(
      `${this.name} cannot be reached: ${why}`,
      "socket" in this.target
        ? "see: session-buddy mcp health"
        : "check SESSION_BUDDY_MCP_ENDPOINT and that the server runs; events wait in the spool",
      { cause },
    );
  }

  private unauthorized(said: string | undefined): Failure {
    return fail.unauthorized(
      `${this.name} wants another token: ${said ?? "unauthorized"}`,
      "put one that `session-buddy token` prints on the server's host where yours comes from: SESSION_BUDDY_TOKEN, else auth.token_file",
    );
  }

  private get name(): string {
    return "socket" in this.target
      ? "the server"
      : `the server at ${this.target.url}`;
  }
}

/** What our own server says that it would be without a server, too. */
function failureIn(told: unknown): Failure | null {
  const { code, sentence, hint } = (told ?? {}) as Record<string, unknown>;
  if (!SAME_FOR_ALL.has(String(code)) || typeof sentence !== "string")
    return null;
  const advice = typeof hint === "string" ? hint : undefined;
  return new Failure(code as FailureCode, sentence, advice);
}

export async function bodyOf({ body }: Response): Promise<string> {
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
export function retryAfterMs(
  header: string | null,
  now: number,
): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header)
    ? Number(header) * 1_000
    : Date.parse(header) - now;
  return Number.isFinite(ms) && ms >= 0 ? ms : null;
}

export interface Health {
  status: string;
  service: string;
  version: string;
  checks: Record<string, string>;
  /** Since its last whole pass over the spool. */
  last_drain_age_seconds?: number;
}

/**
 * The health of a server on this host.
 * @throws Failure (unhealthy) when it does not answer properly
 */
export async function askHealth(server: LocalServer): Promise<Health> {
  try {
    return (await fetchHealth(server.socket, HEALTH_MS)) as Health;
  } catch (error) {
    if (isTimeout(error)) throw unresponsiveFailure(server.pid, "unhealthy");
    throw fail.unhealthy(
      `the server does not answer: ${fetchReason(error)}`,
      "see: session-buddy mcp logs; then: session-buddy mcp restart --force",
      { cause: error },
    );
  }
}
