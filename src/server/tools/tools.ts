/**
 * Calls the tools on a store in this process: checks access, runs the tool, counts
 * and logs the call once. MCP and pages call the same.
 */
import { type Choice, EVERY_RULE } from "../../model/redaction/custom.ts";
import type { Authorize, TokenIdentity } from "../../auth/authorize.ts";
import type { Clock } from "../../model/clock.ts";
import { Failure, fail } from "../../model/failure.ts";
import type { ServedStore } from "../../model/store.ts";
import type { Caller, Tool, ToolServer } from "./tool.ts";
import { TOOLS } from "./catalog.ts";
import { provenanceOf } from "./provenance.ts";
import { redactingRecorder } from "./redacting.ts";
import {
  NO_COMMAND,
  type ToolMetrics,
  countCall,
  countingRecorder,
} from "./telemetry.ts";

/** Where the tools' work is done: in this process, or by a server that is asked. */
export interface ToolBackend {
  /**
   * @param args as the tool's `parse` left them
   * @returns the result object of the tool's output schema
   * @throws Failure for what the caller can mend; any other error is internal
   */
  call(
    tool: string,
    args: Record<string, unknown>,
    caller: Caller,
  ): Promise<object>;
}

/** Who may, and whose token it is. */
interface Auth {
  authorize: Authorize;
  /**
   * @returns null when no secret is set
   * @throws Failure (unauthorized)
   */
  verify(token: string): Promise<TokenIdentity | null>;
}

export interface ToolOptions extends Pick<
  ToolServer,
  "spool" | "lease_seconds" | "health" | "alerts"
> {
  auth: Auth;
  /** Of all that is reported; every rule when left out. */
  redaction?: Choice;
  metrics?: ToolMetrics;
  /** Hears of every call that failed, also where the result says so. */
  onError?: (error: unknown, tool: string, caller: Caller) => void;
  now?: Clock;
}

/** A tool, and its work for this server. */
interface Ready {
  tool: Tool;
  run: ReturnType<Tool["run"]>;
}

export class Tools implements ToolBackend {
  private readonly ready: ReadonlyMap<string, Ready>;

  constructor(
    store: ServedStore,
    private readonly options: ToolOptions,
  ) {
    const { spool, lease_seconds, health, alerts, metrics } = options;
    const recorder = redactingRecorder(
      countingRecorder(store, metrics),
      options.redaction ?? EVERY_RULE,
    );
    const server = { store, recorder, spool, lease_seconds, health, alerts };
    this.ready = new Map(
      TOOLS.map((tool) => [tool.name, { tool, run: tool.run(server) }]),
    );
  }

  async call(
    name: string,
    args: Record<string, unknown>,
    caller: Caller,
  ): Promise<object> {
    const ready = this.ready.get(name);
    if (!ready) throw fail.not_found(`there is no tool '${name}'`);
    const { tool, run } = ready;
    const { metrics, onError, now = Date.now } = this.options;
    const received_ms = now();
    const begun = performance.now();
    // From here on nothing can log the token or store it.
    const { token, ...rest } = args;
    let result: object | null = null;
    let failure: unknown = null;
    try {
      const proof = await this.authorized(tool, caller, token as Argument);
      const from = provenanceOf(caller, proof);
      result = await run(rest, { caller, from, received_ms });
    } catch (error) {
      failure = error;
    }
    if (metrics) {
      const seconds = (performance.now() - begun) / 1_000;
      if (tool.count)
        countCall(tool.count(rest, result), failure, seconds, metrics);
      if (tool.access === "read")
        metrics.read(name, caller.command ?? NO_COMMAND, seconds);
    }
    if (result) return result;
    onError?.(failure, name, caller);
    return failedResult(tool, rest, failure);
  }

  /**
   * The token of the header counts, or else the argument of a tool that records.
   * @returns the one that counts; null where none is needed
   * @throws Failure (permission, unauthorized)
   */
  private async authorized(
    { access }: Tool,
    caller: Caller,
    argument: Argument,
  ): Promise<TokenIdentity | null> {
    const { auth } = this.options;
    let { token } = caller;
    let refused = auth.authorize(caller, token, access);
    if (refused?.code === "unauthorized" && argument) {
      token = await auth.verify(argument).catch(asAnswered);
      refused = auth.authorize(caller, token, access);
    }
    if (refused) return asAnswered(refused);
    return token;
  }
}

type Argument = string | null | undefined;

/** Clients of the first server know a refused token by its mark. */
function asAnswered(error: unknown): never {
  if (error instanceof Failure && error.code === "unauthorized")
    throw fail.unauthorized(`❌ ${error.sentence}`);
  throw error;
}

/**
 * What kept it from being recorded, as the tool's own result.
 * @throws the failure of a tool that has no such result, overload, and what is
 *   no Failure, of which the log alone may speak
 */
function failedResult(
  { failed }: Tool,
  args: Record<string, unknown>,
  failure: unknown,
): object {
  if (!failed || !(failure instanceof Failure)) throw failure;
  const { code, sentence, message } = failure;
  if (code === "overloaded") throw failure;
  const error =
    code === "unauthorized" ? sentence : `${failed.sentence}: ${message}`;
  return { ...failed.sent(args), status: "error", error };
}
