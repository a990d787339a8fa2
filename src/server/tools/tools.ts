/**
 * The tools' work, on a store in this process: who may, what is done, and what
 * is counted of it.
 */
import { Failure } from "../../model/failure.ts";
import type { Provenance } from "../../model/reporter.ts";
import type { EventResult, ServedStore } from "../../model/store.ts";
import { VERSION } from "../../version.ts";
import { trackEvents } from "./track-events.ts";
import type { Caller, TokenIdentity } from "./caller.ts";
import { CHANNEL_EVENTS, Channels } from "./channels.ts";
import {
  type Recorder,
  type ToolMetrics,
  countBatch,
  countCall,
  counted,
} from "./telemetry.ts";
import type { Args, ToolName } from "./fields.ts";
import { provenanceOf } from "./provenance.ts";
import { Reading } from "./list-sessions.ts";
import type { ToolBackend } from "../mcp/server.ts";
import { Tracking, namedSession } from "./track-session-start.ts";

/** Tells whose token it is. */
export interface TokenVerifier {
  /** Whether a secret is set. */
  readonly required: boolean;
  /**
   * @returns null when no secret is set
   * @throws Failure (unauthorized)
   */
  verify(token: string): Promise<TokenIdentity | null>;
}

export interface LocalOptions {
  auth: TokenVerifier;
  /** The folder where wrapped sessions of this host are written. */
  spool: string;
  /** Within how many seconds a remote session's next sign of life must come. */
  lease_seconds: number;
  /** Each part of the server by its name; nothing private in it. */
  health: () => { healthy: boolean; checks: Record<string, "ok" | "failed"> };
  metrics?: ToolMetrics;
  /** Hears of what went wrong, also where the caller got the tool's own answer. */
  onError?: (error: unknown, tool: string, caller: Caller) => void;
}

/** Tools with an answer of their own for what went wrong, and how it begins. */
const FAILED = {
  track_session_start: "Session start tracking failed",
  track_session_end: "Session end tracking failed",
  track_channel_session: "Channel session tracking failed",
} as const;

type Track = keyof typeof FAILED;

interface Tracked {
  session_id: string | null;
  status: string;
  error: string | null;
}

export class LocalTools implements ToolBackend {
  private readonly recorder: Recorder;
  private readonly tracking: Tracking;
  private readonly channels: Channels;
  private readonly reading: Reading;

  private readonly started = performance.now();

  constructor(
    store: ServedStore,
    private readonly options: LocalOptions,
  ) {
    this.recorder = counted(store, options.metrics);
    this.tracking = new Tracking(this.recorder, options.spool);
    this.channels = new Channels(this.recorder);
    this.reading = new Reading(store);
  }

  /** @throws Failure for what the caller can mend; any other error is internal */
  async call(
    tool: string,
    args: Record<string, unknown>,
    caller: Caller,
  ): Promise<object> {
    const name = tool as ToolName;
    // From here on nothing can log it or store it.
    const { token = null, ...rest } = args as { token?: string | null };
    switch (name) {
      case "health_check":
        return this.health();
      case "track_session_start":
      case "track_session_end":
      case "track_channel_session":
        return this.track(name, rest, token, caller);
      case "track_events":
        return this.events(rest as Args<"track_events">, token, caller);
    }
    this.requireReader(caller);
    switch (name) {
      case "list_sessions":
        return this.reading.sessions(rest);
      case "get_session":
        return this.reading.session(rest as Args<"get_session">);
      case "list_events":
        return this.reading.events(rest);
      case "session_stats":
        return this.reading.stats(rest);
      case "get_channel_sessions":
        return this.reading.channelSessions(rest);
    }
  }

  private health(): object {
    const { healthy, checks } = this.options.health();
    return {
      status: healthy ? "healthy" : "degraded",
      service: "session-buddy",
      version: VERSION,
      uptime_seconds: Math.floor((performance.now() - this.started) / 1_000),
      checks,
    };
  }

  /** What keeps it from being recorded is the tool's own answer. */
  private async track(
    tool: Track,
    args: object,
    token: string | null,
    caller: Caller,
  ): Promise<object> {
    const begun = performance.now();
    let result: Tracked | null = null;
    let failure: unknown = null;
    try {
      const from = await this.writer(token, caller);
      result = await this.record(tool, args, caller, from);
    } catch (error) {
      failure = error;
    }
    if (this.options.metrics)
      countCall(
        {
          event_type: eventType(tool, args),
          component_name: (args as { component_name?: string }).component_name,
          result,
          failure,
          seconds: (performance.now() - begun) / 1_000,
        },
        this.options.metrics,
      );
    if (result) return result;
    // Of what is no Failure only the log may speak.
    if (!(failure instanceof Failure) || failure.code === "overloaded")
      throw failure;
    const { code, sentence, message } = failure;
    this.options.onError?.(failure, tool, caller);
    return {
      ...sentWith(tool, args),
      status: "error",
      error: code === "unauthorized" ? sentence : `${FAILED[tool]}: ${message}`,
    };
  }

  private record(
    tool: Track,
    args: object,
    caller: Caller,
    from: Provenance,
  ): Promise<Tracked> {
    switch (tool) {
      case "track_session_start":
        return this.tracking.start(args as Args<typeof tool>, caller, from);
      case "track_session_end":
        return this.tracking.end(args as Args<typeof tool>, from);
      case "track_channel_session":
        return this.channels.track(args as Args<typeof tool>, from);
    }
  }

  private async events(
    args: Args<"track_events">,
    token: string | null,
    caller: Caller,
  ): Promise<{ results: EventResult[] }> {
    const received_ms = Date.now();
    const begun = performance.now();
    const { lease_seconds, metrics } = this.options;
    let results: EventResult[] | null = null;
    let failure: unknown = null;
    try {
      const from = await this.writer(token, caller);
      const options = { lease_seconds, received_ms };
      results = await trackEvents(this.recorder, args, from, options);
      return { results };
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      const seconds = (performance.now() - begun) / 1_000;
      if (metrics) countBatch(args.events, results, failure, seconds, metrics);
    }
  }

  /**
   * Who may record: everybody here, and over TCP, when a secret is set, whoever
   * has a token that may write, in the header or as an argument.
   * @throws Failure (unauthorized)
   */
  private async writer(
    token: string | null,
    caller: Caller,
  ): Promise<Provenance> {
    return provenanceOf(caller, await this.identity(token, caller));
  }

  private async identity(
    token: string | null,
    caller: Caller,
  ): Promise<TokenIdentity | null> {
    const { auth } = this.options;
    if (caller.via !== "tcp" || !auth.required) return null;
    if (caller.token && caller.token.scope !== "read") return caller.token;
    const argument = token ? await this.verified(token) : caller.token;
    if (!argument) throw unauthorized(NO_TOKEN);
    if (argument.scope === "read") throw unauthorized(READ_TOKEN);
    return argument;
  }

  private async verified(token: string): Promise<TokenIdentity | null> {
    try {
      return await this.options.auth.verify(token);
    } catch (error) {
      if (error instanceof Failure) throw unauthorized(BAD_TOKEN);
      throw error;
    }
  }

  /** The edge has seen to it; this holds when it has not. */
  private requireReader({ via, token }: Caller): void {
    if (via === "tcp" && this.options.auth.required && !token)
      throw unauthorized(NO_TOKEN);
  }
}

/** What clients look for in an answer to know which call it answers. */
function sentWith(tool: Track, args: object): object {
  const { session_id, event_id } = args as Record<string, string>;
  switch (tool) {
    case "track_session_start":
      return { session_id: null };
    case "track_session_end":
      return { session_id: namedSession(session_id!) };
    case "track_channel_session":
      return { session_id: null, event_id };
  }
}

/** Of the few that there are, whatever was sent. */
function eventType(tool: Track, args: object): string {
  if (tool !== "track_channel_session") return tool.slice("track_".length);
  const { event_type } = args as { event_type: string };
  return CHANNEL_EVENTS.find((kind) => kind === event_type) ?? "channel";
}

const NO_TOKEN = "Token required (SESSION_BUDDY_SECRET is set)";
const BAD_TOKEN = "invalid or expired token";
const READ_TOKEN = "the token may only read (its scope must be write)";

const unauthorized = (reason: string) =>
  new Failure("unauthorized", `❌ Authentication failed: ${reason}`);
