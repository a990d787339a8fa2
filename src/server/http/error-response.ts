/**
 * Answers a failed request, always in JSON: on /mcp a JSON-RPC error, elsewhere
 * `{"error":{"code","message"}}`.
 */
import {
  type Failure,
  type FailureCode,
  Overloaded,
  fail,
} from "../../model/failure.ts";
import { type RpcId, rpcError } from "../mcp/json-rpc.ts";
import type { Route } from "./routes.ts";

/** On every answer: nothing is kept by caches, nothing is taken for another type. */
export const SAFE_HEADERS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
} as const;

/** What differs from what the code's tables say. */
export interface ErrorResponseOptions {
  id?: RpcId;
  status?: number;
  rpc_code?: number;
  headers?: Record<string, string>;
}

/** Headers that go with a kind of failure. */
const HEADERS: { [code in FailureCode]?: Record<string, string> } = {
  unauthorized: { "www-authenticate": 'Bearer realm="session-buddy"' },
  // Seconds.
  overloaded: { "retry-after": "1" },
};

/** The answer to a request that failed on purpose. */
export function errorResponse(
  failure: Failure,
  route: Route,
  { id = null, status, rpc_code, headers }: ErrorResponseOptions = {},
): Response {
  const { code, message } = failure;
  const body =
    route === "/mcp"
      ? rpcError(id, rpc_code ?? failure.rpcCode, message)
      : { error: { code, message } };
  return Response.json(body, {
    status: status ?? failure.httpStatus,
    headers: {
      ...SAFE_HEADERS,
      ...HEADERS[code],
      ...retryAfter(failure),
      ...headers,
    },
  });
}

/** Where the failure itself knows when it is worth to come again. */
const retryAfter = (failure: Failure) =>
  failure instanceof Overloaded && failure.retry_after_ms !== null
    ? { "retry-after": `${Math.ceil(failure.retry_after_ms / 1_000)}` }
    : {};

/** The answer to a path that is not there. */
export const unknownPath = (): Response =>
  errorResponse(
    fail.not_found(
      "there is nothing at this path",
      `the MCP server is at /mcp`,
    ),
    "other",
  );
