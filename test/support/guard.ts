/** An edge, those who come to it, and what they are refused with. */
import { expect } from "bun:test";
import { authorizer } from "../../src/auth/authorize.ts";
import type { Peer } from "../../src/os/peer.ts";
import { Guard, type GuardOptions } from "../../src/server/http/guard.ts";
import type { Route } from "../../src/server/http/routes.ts";

export const PORT = 8678;
const OWNER = 1000;
export const OURS: Peer = {
  via: "tcp",
  uid: OWNER,
  address: "127.0.0.1",
  loopback: true,
};
export const STRANGER: Peer = { ...OURS, uid: 1001 };
export const NOBODY: Peer = { ...OURS, uid: null };
export const SOCKET: Peer = {
  via: "socket",
  uid: null,
  address: null,
  loopback: true,
};

/** @param secret whether one is set */
export const guard = ({
  uid = OWNER,
  secret = false,
  ...options
}: Partial<GuardOptions> & { secret?: boolean } = {}) =>
  new Guard({
    bound: { host: "127.0.0.1", port: PORT },
    ...{ tls: false, allowed_hosts: [], allowed_origins: [] },
    ...{ uid, authorize: authorizer({ uid, secret }) },
    ...options,
  });

export const HOST = `127.0.0.1:${PORT}`;
export const JSON_HEADERS = { host: HOST, "content-type": "application/json" };

export function post(body: Body, headers: Record<string, string> = {}) {
  return new Request("http://localhost/mcp", {
    ...{ method: "POST", body, headers: { ...JSON_HEADERS, ...headers } },
  });
}

export const get = (headers: Record<string, string>, path = "/health") =>
  new Request(`http://localhost${path}`, { headers });

export type Body = string | Uint8Array<ArrayBuffer> | null;

/** The status, and that the answer is one of ours: JSON, kept nowhere, and of the route's shape. */
export async function refused(
  response: Response | null,
  route: Route = "/mcp",
) {
  expect(response).not.toBeNull();
  const { status, headers } = response!;
  expect(headers.get("content-type")).toStartWith("application/json");
  expect(headers.get("cache-control")).toBe("no-store");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  const body = (await response!.json()) as {
    id: unknown;
    error: { code: unknown; message: string };
  };
  const { code, message } = body.error;
  if (route === "/mcp")
    expect(body as object).toEqual({
      ...{
        jsonrpc: "2.0",
        id: body.id,
        error: { code: expect.any(Number), message },
      },
    });
  else
    expect(body as object).toEqual({
      error: { code: expect.any(String), message },
    });
  return { status, id: body.id, code, message, headers };
}

export async function statusOf(
  response: Response | null,
  route?: Route,
): Promise<number> {
  return response ? (await refused(response, route)).status : 200;
}
