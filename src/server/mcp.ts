/**
 * One POST to /mcp, its body already read and parsed: the current revision and
 * those of 2025 are answered by the same tools. What comes in the older form
 * gets one JSON reply whatever it says it accepts, so plain curl works.
 */
import {
  type McpHttpHandler,
  WebStandardStreamableHTTPServerTransport,
  createMcpHandler,
  isLegacyRequest,
} from "@modelcontextprotocol/server";
import { Failure } from "../model/failure.ts";
import type { Caller } from "./caller.ts";
import { type RpcId, refusal } from "./refusal.ts";
import {
  type ServerOptions,
  type ToolBackend,
  makeMcpServer,
} from "./tools.ts";

/** Streams that stay open to hear of changes, of all callers together. */
const MAX_SUBSCRIPTIONS = 64;

/** What one request's tools left behind beside their results. */
interface Exchange {
  caller: Caller;
  overloaded: Failure | null;
}

export class McpEndpoint {
  private readonly modern: McpHttpHandler;

  /** @param backend where the tools' work is done */
  constructor(
    private readonly backend: ToolBackend,
    private readonly options: ServerOptions,
  ) {
    this.modern = createMcpHandler(
      ({ authInfo }) =>
        this.serverFor(authInfo!.extra!["exchange"] as Exchange),
      { legacy: "reject", maxSubscriptions: MAX_SUBSCRIPTIONS },
    );
  }

  /**
   * Answers one message; never hangs when the client goes away.
   * @param request its method, headers and signal; the body is not read again
   * @param message the parsed body: one JSON-RPC object
   */
  async handle(
    request: Request,
    message: object,
    caller: Caller,
  ): Promise<Response> {
    const exchange: Exchange = { caller, overloaded: null };
    const response = (await isLegacyRequest(request, message))
      ? await this.legacy(request, message, exchange)
      : await this.modern.fetch(request, {
          parsedBody: message,
          authInfo: {
            token: "",
            clientId: "",
            scopes: [],
            extra: { exchange },
          },
        });
    const { overloaded } = exchange;
    if (!overloaded) return response;
    const { id = null } = message as { id?: RpcId };
    return refusal(overloaded, "/mcp", { id });
  }

  /** Ends the streams that are open. */
  close(): Promise<void> {
    return this.modern.close();
  }

  private serverFor(exchange: Exchange) {
    const options: ServerOptions = {
      ...this.options,
      onError: (error, tool, caller) => {
        if (error instanceof Failure && error.code === "overloaded")
          exchange.overloaded = error;
        this.options.onError?.(error, tool, caller);
      },
    };
    return makeMcpServer(this.backend, options, exchange.caller);
  }

  private async legacy(
    request: Request,
    message: object,
    exchange: Exchange,
  ): Promise<Response> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      enableJsonResponse: true,
    });
    const server = this.serverFor(exchange);
    await server.connect(transport);
    const headers = new Headers(request.headers);
    headers.set("accept", "application/json, text/event-stream");
    const widened = new Request(request.url, { method: "POST", headers });
    const answer = transport.handleRequest(widened, { parsedBody: message });
    try {
      return await Promise.race([answer, goneAway(request.signal)]);
    } finally {
      await server.close();
    }
  }
}

/** A closed transport never answers: the exchange ends with the client. */
function goneAway(signal: AbortSignal): Promise<Response> {
  const { promise, resolve } = Promise.withResolvers<Response>();
  const end = () => resolve(new Response(null, { status: 499 }));
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  return promise;
}
