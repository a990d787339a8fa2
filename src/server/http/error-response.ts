/**
 * What a client gets when its request fails at the edge: always JSON, never a
 * page or a stack. On /mcp it is a JSON-RPC error; elsewhere
 * `{"error":{"code","message"}}`.
 */
import { Failure, type FailureCode } from "../../model/failure.ts";

export const ROUTES = [
  "/mcp",
  "/health",
  "/healthz",
  "/readyz",
  "/metrics",
] as const;
/** What our own commands find, and nobody who comes over TCP. */
const LOCAL_ROUTE = "/admin";
/** A path that the server answers, or `other`: what it never heard of. */
export type Route = (typeof ROUTES)[number] | typeof LOCAL_ROUTE | "other";

/** The id of a JSON-RPC request. */
export type RpcId = string | number | null;

/** On every answer: nothing is kept by caches, nothing is taken for another type. */
export const SAFE_HEADERS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
} as const;

/** What differs from what the code's tables say. */
export interface RefusalOptions {
  id?: RpcId;
  status?: number;
  rpc_code?: number;
  headers?: Record<string, string>;
}

/** Headers that go with a kind of failure. */
const HEADERS: { [code in FailureCode]?: Record<string, string> } = {
  unauthorized: { "www-authenticate": "Bearer" },
  // Seconds.
  overloaded: { "retry-after": "1" },
};

/**
 * Where a request goes, by its path alone, letter by letter.
 * @param target as the client wrote it: a path, or a whole address
 * @param local whether it came over our own socket
 */
export function routeOf(target: string, local = false): Route {
  const path = target.replace(/^https?:\/\/[^/]*/i, "").replace(/[?#].*$/s, "");
  if (local && path === LOCAL_ROUTE) return LOCAL_ROUTE;
  return ROUTES.find((route) => route === path) ?? "other";
}

/** The answer to a request that failed on purpose. */
export function refusal(
  failure: Failure,
  route: Route,
  { id = null, status, rpc_code, headers }: RefusalOptions = {},
): Response {
  const { code, message } = failure;
  const body =
    route === "/mcp"
      ? {
          ...{ jsonrpc: "2.0", id },
          error: { code: rpc_code ?? failure.rpcCode, message },
        }
      : { error: { code, message } };
  return Response.json(body, {
    status: status ?? failure.httpStatus,
    headers: { ...SAFE_HEADERS, ...HEADERS[code], ...headers },
  });
}

/** The answer to a path that is not there. */
export const unknownPath = (): Response =>
  refusal(
    new Failure(
      "not_found",
      "there is nothing at this path",
      `the MCP server is at /mcp`,
    ),
    "other",
  );
