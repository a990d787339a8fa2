/**
 * Parses and checks JSON-RPC messages that come over HTTP and stdio, before the
 * SDK sees them: what the SDK would drop without a word, or answer with a dump of
 * its schema, is answered here. Clients that send null for "nothing" are served.
 */
import { isDeeper } from "../../model/event.ts";
import { reasonOf } from "../../model/failure.ts";
import {
  type SpecTypeName,
  specTypeSchemas,
} from "@modelcontextprotocol/server";
import { inWords } from "../../model/words.ts";
import type { Access } from "../../auth/authorize.ts";
import { toolNamed } from "../tools/catalog.ts";

/** One JSON-RPC message, of which nothing is known but that it is an object. */
export type Message = Record<string, unknown>;

/** The id of a JSON-RPC request. */
export type RpcId = string | number | null;

export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
export const INVALID_PARAMS = -32602;

/** Deeper JSON is refused before anything recurses into it. */
const DEPTH_MAX = 100;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Why some bytes are no message. */
export interface Malformed {
  kind: "parse" | "shape";
  sentence: string;
  hint: string;
}

/**
 * One JSON object of bounded depth.
 * @returns what is wrong with it otherwise: `parse` when it is no JSON
 */
export function parseMessage(
  bytes: Uint8Array,
): { message: Message } | Malformed {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch (error) {
    return {
      kind: "parse",
      sentence: `the body is not JSON: ${reasonOf(error)}`,
      hint: "send one JSON-RPC object, in UTF-8",
    };
  }
  const shape = (sentence: string, hint: string): Malformed => ({
    ...{ kind: "shape", sentence, hint },
  });
  if (Array.isArray(value))
    return shape(
      "batches are not served",
      "send each message in a POST of its own",
    );
  if (typeof value !== "object" || value === null)
    return shape("the body is not a JSON object", "send one JSON-RPC object");
  if (isDeeper(value, DEPTH_MAX))
    return shape(
      `the body is nested more than ${DEPTH_MAX} levels deep`,
      "send flatter data",
    );
  return { message: value as Message };
}

/** The id that an answer to this message carries. */
export function idOf({ id }: Message): RpcId {
  return typeof id === "string" || Number.isFinite(id) ? (id as RpcId) : null;
}

/** The tool that a message calls, or null. */
export function toolOf({ method, params }: Message): string | null {
  if (method !== "tools/call") return null;
  const name = (params as { name?: unknown } | null | undefined)?.name;
  return typeof name === "string" ? name : null;
}

/** The error to answer a request with. */
export const rpcError = (id: RpcId, code: number, message: string) => ({
  ...{ jsonrpc: "2.0", id, error: { code, message } },
});

type RpcError = { code: number; message: string };

const PARAMS: Record<string, SpecTypeName> = {
  initialize: "InitializeRequestParams",
  "tools/call": "CallToolRequestParams",
  "tools/list": "PaginatedRequestParams",
  "resources/list": "PaginatedRequestParams",
  "resources/templates/list": "PaginatedRequestParams",
  "resources/read": "ReadResourceRequestParams",
  "prompts/list": "PaginatedRequestParams",
  "prompts/get": "GetPromptRequestParams",
  "completion/complete": "CompleteRequestParams",
};

/** The message as the SDK takes it, or what is wrong with it. */
export async function readMessage(
  given: Message,
): Promise<{ message: Message } | RpcError> {
  const { jsonrpc, id, method, params, ...rest } = given;
  // An answer of the client's.
  if (method === undefined && ("result" in rest || "error" in rest))
    return { message: given };
  const invalid = (message: string) => ({ code: INVALID_REQUEST, message });
  if (jsonrpc !== "2.0") return invalid(`jsonrpc must be "2.0"`);
  if (typeof method !== "string")
    return invalid(
      method === undefined ? "method is required" : "method must be a string",
    );
  const isRequest = "id" in given;
  if (isRequest && typeof id !== "string" && !Number.isSafeInteger(id))
    return invalid("id must be a string or a whole number");
  const isNothing = params === undefined || params === null;
  if (!isNothing && (typeof params !== "object" || Array.isArray(params)))
    return { code: INVALID_PARAMS, message: "params must be an object" };
  const own: Message = { jsonrpc, method };
  if (isRequest) own["id"] = id;
  if (!isNothing) own["params"] = withArguments(method, params as Message);
  const wrong = isRequest ? await wrongParams(method, own) : null;
  return wrong ?? { message: own };
}

/** A call with nothing for arguments has none. */
function withArguments(method: string, params: Message): Message {
  return method === "tools/call" && (params["arguments"] ?? null) === null
    ? { ...params, arguments: {} }
    : params;
}

async function wrongParams(
  method: string,
  message: Message,
): Promise<RpcError | null> {
  const type = Object.hasOwn(PARAMS, method) ? PARAMS[method]! : null;
  if (type === null) return null;
  const params = message["params"] ?? {};
  const { issues } = await specTypeSchemas[type]["~standard"].validate(params);
  if (!issues) return null;
  const text = inWords(issues, params, { prefix: "params." });
  return { code: INVALID_PARAMS, message: text };
}

/** Methods that show nothing that is recorded. */
const PROTOCOL = new Set([
  ...["initialize", "ping", "server/discover"],
  ...["tools/list", "resources/list", "resources/templates/list"],
  "prompts/list",
]);

/** The access that a message needs, by its method and its tool. */
export function accessOf(message: Message): Access {
  const { method } = message;
  if (
    typeof method === "string" &&
    (PROTOCOL.has(method) || method.startsWith("notifications/"))
  )
    return "protocol";
  return toolNamed(toolOf(message))?.access ?? "read";
}
