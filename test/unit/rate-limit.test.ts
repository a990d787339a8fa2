/** Too much at once, with a clock of the test's own. */
import { describe, expect, test } from "bun:test";
import type { Peer } from "../../src/os/peer.ts";
import type { Standing } from "../../src/server/http/guard.ts";
import {
  RateLimit,
  type RateLimitOptions,
} from "../../src/server/http/rate-limit.ts";
import type { Route } from "../../src/server/http/routes.ts";

const OWNER = 1000;
const remote = (address: string): Peer => ({
  ...{ via: "tcp", uid: null, address, loopback: false },
});
const local = (uid: number): Peer => ({
  ...{ via: "tcp", uid, address: "127.0.0.1", loopback: true },
});
const SOCKET: Peer = {
  via: "socket",
  uid: null,
  address: null,
  loopback: true,
};

let now = 0;
const limit = (options: Partial<RateLimitOptions> = {}) =>
  new RateLimit({
    max_in_flight: 1024,
    uid: OWNER,
    now: () => now,
    ...options,
  });

/** How many of so many requests, one after the other, are let in. */
function admitted(to: RateLimit, peer: Peer, requests: number): number {
  let count = 0;
  for (let n = 0; n < requests; n++)
    if (to.rate("/mcp", peer) === null) count++;
  return count;
}

async function refusedAs(response: Response | null) {
  const { status, headers } = response!;
  const body = (await response!.json()) as object;
  return { status, retry: Number(headers.get("retry-after")), body };
}

/** How many of so many requests of a peer are let in, none of which ends. */
function held(
  to: RateLimit,
  peer: Peer,
  standing: Standing,
  requests = 10_000,
): number {
  let count = 0;
  for (let n = 0; n < requests; n++)
    if (to.enter("/mcp", peer, standing) === null) count++;
  return count;
}

describe("requests under way", () => {
  test("as many as allowed; who leaves makes room", async () => {
    const two = limit({ max_in_flight: 2 });
    const enter = (route: Route = "/mcp") => two.enter(route, SOCKET, "socket");
    expect(enter()).toBeNull();
    expect(enter()).toBeNull();
    expect(await refusedAs(enter())).toMatchObject({
      ...{ status: 429, retry: 1, body: { jsonrpc: "2.0", id: null } },
    });
    expect(await refusedAs(enter("/metrics"))).toMatchObject({
      ...{ status: 429, retry: 1, body: { error: { code: "overloaded" } } },
    });
    expect(two.depth).toBe(2);
    two.leave(SOCKET, "socket");
    expect(enter()).toBeNull();
  });

  test("a peer has its share, all have theirs, our user's and the socket's stay", () => {
    const to = limit();
    for (const last of [1, 2, 3])
      expect(held(to, remote(`192.0.2.${last}`), "proven")).toBe(256);
    // What is left of the common places: 1024 - 64 - 128 - 768.
    expect(held(to, remote("192.0.2.4"), "proven")).toBe(64);
    expect(held(to, remote("192.0.2.5"), "proven")).toBe(0);
    expect(to.hasRoom).toBe(true);
    expect(held(to, local(OWNER), "owner")).toBe(128);
    expect(to.hasRoom).toBe(false);
    expect(held(to, SOCKET, "socket")).toBe(64);
    expect(held(to, SOCKET, "socket")).toBe(0);
    to.leave(remote("192.0.2.1"), "proven");
    expect(held(to, SOCKET, "socket")).toBe(1);
  });

  test("whom only the body can tell of waits in a pool of its own", () => {
    const to = limit();
    for (const uid of [1, 2, 3, 4])
      expect(held(to, local(uid), "unproven")).toBe(16);
    expect(held(to, local(5), "unproven")).toBe(0);
    expect(held(to, remote("192.0.2.1"), "proven")).toBe(256);
    to.leave(local(1), "unproven");
    expect(held(to, local(5), "unproven")).toBe(1);
  });
});

describe("the rate of a peer", () => {
  const peer_rate = { per_second: 10, burst: 20 };

  test("a burst, then its rate, and never more than a burst again", () => {
    const to = limit({ peer_rate });
    const peer = remote("192.0.2.1");
    expect(admitted(to, peer, 100)).toBe(20);
    now += 500;
    expect(admitted(to, peer, 100)).toBe(5);
    now += 3_600_000;
    expect(admitted(to, peer, 100)).toBe(20);
  });

  test("says when to come again", async () => {
    const to = limit({ peer_rate: { per_second: 0.1, burst: 1 } });
    const peer = remote("192.0.2.1");
    expect(to.rate("/mcp", peer)).toBeNull();
    now += 2_000;
    expect(await refusedAs(to.rate("/mcp", peer))).toMatchObject({
      ...{ status: 429, retry: 8 },
    });
    now += 8_000;
    expect(to.rate("/mcp", peer)).toBeNull();
  });

  test("is each peer's own", () => {
    const to = limit({ peer_rate });
    const peers = [
      "192.0.2.1",
      "192.0.2.2",
      "2001:db8:0:1::1",
      "2001:db8:0:2::1",
    ].map(remote);
    for (const peer of [...peers, local(1), local(2)])
      expect(admitted(to, peer, 100)).toBe(20);
  });

  test("is one for the addresses that one peer has at will", () => {
    const to = limit({ peer_rate });
    expect(admitted(to, remote("2001:db8::1"), 15)).toBe(15);
    expect(admitted(to, remote("2001:db8::ffff:2"), 15)).toBe(5);
  });

  test("does not hold back our own user, root or the unix socket", () => {
    const to = limit({ peer_rate });
    for (const peer of [local(OWNER), local(0), SOCKET])
      expect(admitted(to, peer, 20_000)).toBe(20_000);
  });

  test("by default leaves room for thousands a second", () => {
    const to = limit();
    expect(admitted(to, remote("192.0.2.1"), 10_000)).toBe(4_000);
    now += 1_000;
    expect(admitted(to, remote("192.0.2.1"), 10_000)).toBe(2_000);
  });

  test("is forgotten for the longest silent, once there are too many peers", () => {
    const to = limit({ peer_rate: { per_second: 0.001, burst: 1 } });
    const nth = (n: number) =>
      remote(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
    for (let n = 0; n < 10_000; n++) expect(admitted(to, nth(n), 1)).toBe(1);
    // It came again, so the second is the longest silent now.
    expect(admitted(to, nth(0), 1)).toBe(0);
    expect(admitted(to, nth(10_000), 1)).toBe(1);
    expect(admitted(to, nth(0), 1)).toBe(0);
    expect(admitted(to, nth(2), 1)).toBe(0);
    expect(admitted(to, nth(1), 1)).toBe(1);
  });
});

test("every route is refused in its own shape", async () => {
  const full = limit({ max_in_flight: 0 });
  for (const route of ["/mcp", "/metrics", "other"] as Route[])
    expect(
      "jsonrpc" in (await refusedAs(full.enter(route, SOCKET, "socket"))).body,
    ).toBe(route === "/mcp");
});
