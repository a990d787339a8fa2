/**
 * JSON-RPC messages as they come over HTTP and stdio: one object of bounded
 * depth, its id, the tool that it calls, and the error to answer it with.
 */
import { isDeeper } from "../../model/event.ts";
import { reasonOf } from "../../model/failure.ts";

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
