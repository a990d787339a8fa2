/**
 * One POST to /mcp, its body already read and parsed: the current revision and
 * those of 2025 are answered by the same tools, plain calls without the SDK. What comes in the older form
 * gets one JSON reply whatever it says it accepts, so plain curl works.
 */
import {
  type McpHttpHandler,
  WebStandardStreamableHTTPServerTransport,
  createMcpHandler,
  isLegacyRequest,
} from "@modelcontextprotocol/server";
import { Failure } from "../../model/failure.ts";
import type { Caller } from "../tools/caller.ts";
import type { Message } from "../http/body.ts";
import { idOf } from "../http/guard.ts";
import { INVALID_REQUEST, readMessage } from "./message.ts";
import { refusal } from "../http/error-response.ts";
import { type PlainCall, plainCall } from "./fast-call.ts";
import {
  type ServerOptions,
  type ToolBackend,
  callsOf,
  makeMcpServer,
  resultOf,
} from "./server.ts";

/** Streams that stay open to hear of changes, of all callers together. */
const MAX_SUBSCRIPTIONS = 64;

const JSON_TYPE = { headers: { "content-type": "application/json" } };

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
    message: Message,
    caller: Caller,
  ): Promise<Response> {
    const exchange: Exchange = { caller, overloaded: null };
    const plain = await plainCall(request, message, this.options.readOnly);
    const response = await (plain
      ? Promise.race([this.plain(plain, exchange), goneAway(request.signal)])
      : this.throughSdk(request, message, exchange));
    const { overloaded } = exchange;
    if (!overloaded) return response;
    return refusal(overloaded, "/mcp", { id: idOf(message) });
  }

  /** Ends the streams that are open. */
  close(): Promise<void> {
    return this.modern.close();
  }

  private async plain(
    { id, tool, args }: PlainCall,
    exchange: Exchange,
  ): Promise<Response> {
    const options = this.optionsFor(exchange);
    const call = callsOf(this.backend, options, exchange.caller);
    const result = await resultOf(call, tool, args);
    return Response.json({ jsonrpc: "2.0", id, result }, JSON_TYPE);
  }

  private async throughSdk(
    request: Request,
    given: Message,
    exchange: Exchange,
  ): Promise<Response> {
    const read = await readMessage(given);
    if ("code" in read)
      return refusal(new Failure("refused", read.message), "/mcp", {
        ...{ id: idOf(given), rpc_code: read.code },
        status: read.code === INVALID_REQUEST ? 400 : 200,
      });
    const { message } = read;
    if (await isLegacyRequest(request, message))
      return this.legacy(request, message, exchange);
    const extra = { exchange };
    return this.modern.fetch(request, {
      parsedBody: message,
      authInfo: { token: "", clientId: "", scopes: [], extra },
    });
  }

  private serverFor(exchange: Exchange) {
    const options = this.optionsFor(exchange);
    return makeMcpServer(this.backend, options, exchange.caller);
  }

  private optionsFor(exchange: Exchange): ServerOptions {
    return {
      ...this.options,
      onError: (error, tool, caller) => {
        if (error instanceof Failure && error.code === "overloaded")
          exchange.overloaded = error;
        this.options.onError?.(error, tool, caller);
      },
    };
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

/** A closed transport never answers, and a tool may not: the exchange ends with the client. */
function goneAway(signal: AbortSignal): Promise<Response> {
  const { promise, resolve } = Promise.withResolvers<Response>();
  const end = () => resolve(new Response(null, { status: 499 }));
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  return promise;
}
