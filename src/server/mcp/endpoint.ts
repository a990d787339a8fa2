/**
 * Answers a POST to /mcp in the current revision and in those of 2025, plain calls
 * without the SDK. A request in an older form gets one JSON reply whatever its
 * Accept header says, so plain curl works.
 */
import {
  type McpHttpHandler,
  WebStandardStreamableHTTPServerTransport,
  createMcpHandler,
  isLegacyRequest,
} from "@modelcontextprotocol/server";
import type { Failure } from "../../model/failure.ts";
import type { Caller } from "../tools/tool.ts";
import type { ToolBackend } from "../tools/tools.ts";
import { type PlainCall, plainCall } from "./fast-call.ts";
import {
  INVALID_REQUEST,
  type Message,
  idOf,
  rpcError,
  readMessage,
} from "./json-rpc.ts";
import {
  type Call,
  type ServerOptions,
  callsOf,
  failed,
  makeMcpServer,
  succeeded,
} from "./server.ts";

/** Streams that stay open to hear of changes, of all callers together. */
const MAX_SUBSCRIPTIONS = 64;

const JSON_TYPE = { headers: { "content-type": "application/json" } };

export class McpEndpoint {
  private readonly modern: McpHttpHandler;

  /** @param backend where the tools' work is done */
  constructor(
    private readonly backend: ToolBackend,
    private readonly options: ServerOptions,
  ) {
    this.modern = createMcpHandler(
      ({ authInfo }) =>
        makeMcpServer(authInfo!.extra!["call"] as Call, this.options),
      { legacy: "reject", maxSubscriptions: MAX_SUBSCRIPTIONS },
    );
  }

  /**
   * Answers one message; never hangs when the client goes away.
   * @param request its method, headers and signal; the body is not read again
   * @param message the parsed body: one JSON-RPC object
   * @throws Failure (overloaded) when there is no room for the call just now
   */
  async handle(
    request: Request,
    message: Message,
    caller: Caller,
  ): Promise<Response> {
    const call = callsOf(this.backend, caller);
    const plain = plainCall(request, message, this.options.readOnly);
    if (!plain) return this.throughSdk(request, message, call);
    return Promise.race([answerTo(plain, call), goneAway(request.signal)]);
  }

  /** Ends the streams that are open. */
  close(): Promise<void> {
    return this.modern.close();
  }

  /** The SDK makes a result of whatever a tool throws: overload goes past it. */
  private throughSdk(
    request: Request,
    message: Message,
    call: Call,
  ): Promise<Response> {
    const { promise: overload, reject } = Promise.withResolvers<never>();
    const watched: Call = async (tool, args) => {
      try {
        return await call(tool, args);
      } catch (error) {
        if ((error as Failure).code === "overloaded") reject(error);
        throw error;
      }
    };
    return Promise.race([this.sdkAnswer(request, message, watched), overload]);
  }

  private async sdkAnswer(
    request: Request,
    given: Message,
    call: Call,
  ): Promise<Response> {
    const read = await readMessage(given);
    if ("code" in read)
      return Response.json(rpcError(idOf(given), read.code, read.message), {
        status: read.code === INVALID_REQUEST ? 400 : 200,
      });
    const { message } = read;
    if (await isLegacyRequest(request, message))
      return this.legacy(request, message, call);
    return this.modern.fetch(request, {
      parsedBody: message,
      authInfo: { token: "", clientId: "", scopes: [], extra: { call } },
    });
  }

  private async legacy(
    request: Request,
    message: object,
    call: Call,
  ): Promise<Response> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      enableJsonResponse: true,
    });
    const server = makeMcpServer(call, this.options);
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

async function answerTo(
  { id, tool, args }: PlainCall,
  call: Call,
): Promise<Response> {
  const result = await call(tool, args).then(succeeded, (failure: Failure) => {
    if (failure.code === "overloaded") throw failure;
    return failed(failure);
  });
  return Response.json({ jsonrpc: "2.0", id, result }, JSON_TYPE);
}

/** A closed transport never answers, and a tool may not: the exchange ends with the client. */
function goneAway(signal: AbortSignal): Promise<Response> {
  const { promise, resolve } = Promise.withResolvers<Response>();
  const end = () => resolve(new Response(null, { status: 499 }));
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  return promise;
}
