/**
 * Limits the requests under way, and the rate of requests of one peer. Both answer
 * 429, and say when to try again.
 *
 * Places for requests, of `max_in_flight`:
 *
 *   socket    all of them
 *   owner     all but a sixteenth, which is the socket's alone
 *   proven    all but that and an eighth; one peer a quarter of all
 *   unproven  a pool of its own; one peer a quarter of it
 */
import { fail } from "../../model/failure.ts";
import type { Peer } from "../../os/peer.ts";
import { parseAddress, isMapped } from "../../os/address.ts";
import type { Standing } from "./guard.ts";
import { errorResponse } from "./error-response.ts";
import type { Route } from "./routes.ts";

/** Requests a second, and how many may come at once after a pause. */
interface Rate {
  per_second: number;
  burst: number;
}

/** Of the server's own user and root: against endless loops, not against load. */
const OWN_RATE: Rate = { per_second: 50_000, burst: 100_000 };
const PEER_RATE: Rate = { per_second: 2_000, burst: 4_000 };
/** Requests of which only the body can tell who asks. */
const UNPROVEN_PLACES = 64;
/** Peers remembered; whoever came longest ago is forgotten first. */
const PEERS_MAX = 10_000;

export interface RateLimitOptions {
  max_in_flight: number;
  /** The server's user. */
  uid: number;
  peer_rate?: Rate;
  /** Milliseconds, never going back. */
  now?: () => number;
}

interface Bucket {
  tokens: number;
  filled_at: number;
}

/** How many requests of a standing may be under way. */
interface Places {
  /** Counted together with those of the other standings of its pool. */
  all: number;
  peer: number;
}

export class RateLimit {
  /** Requests under way, of the common pool and of the unproven. */
  private common = 0;
  private unproven = 0;
  private readonly byPeer = new Map<string, number>();
  private readonly buckets = new Map<string, Bucket>();
  private readonly places: Record<Standing, Places>;

  constructor(private readonly options: RateLimitOptions) {
    const max = options.max_in_flight;
    const owner = max - Math.floor(max / 16);
    const pool = Math.min(max, UNPROVEN_PLACES);
    this.places = {
      socket: { all: max, peer: max },
      owner: { all: owner, peer: owner },
      proven: { all: owner - Math.floor(max / 8), peer: Math.ceil(max / 4) },
      unproven: { all: pool, peer: Math.ceil(pool / 4) },
    };
  }

  /** Requests under way. */
  get depth(): number {
    return this.common + this.unproven;
  }

  /** Whether our own user would get a place. */
  get hasRoom(): boolean {
    return this.common < this.places.owner.all;
  }

  /** @returns what to answer a peer that comes too often */
  rate(route: Route, peer: Peer): Response | null {
    const wait_seconds = peer.via === "tcp" ? this.take(peer) : 0;
    return wait_seconds === 0
      ? null
      : tooMany(route, "you send more requests than you may", wait_seconds, {
          // What it has sent already costs nothing more.
          connection: "close",
        });
  }

  /**
   * Counts a request in; when it is let in, `leave` counts it out.
   * @returns what to answer when it is not let in
   */
  enter(route: Route, peer: Peer, standing: Standing): Response | null {
    const { all, peer: share } = this.places[standing];
    const pool = standing === "unproven" ? this.unproven : this.common;
    if (pool >= all)
      return tooMany(route, `${pool} requests are under way already`, 1);
    const own = this.byPeer.get(placeOf(peer, standing)) ?? 0;
    if (own >= share)
      return tooMany(route, `${own} of your requests are under way already`, 1);
    this.count(peer, standing, 1);
    return null;
  }

  leave(peer: Peer, standing: Standing): void {
    this.count(peer, standing, -1);
  }

  private count(peer: Peer, standing: Standing, by: 1 | -1): void {
    if (standing === "unproven") this.unproven += by;
    else this.common += by;
    const place = placeOf(peer, standing);
    const own = (this.byPeer.get(place) ?? 0) + by;
    if (own > 0) this.byPeer.set(place, own);
    else this.byPeer.delete(place);
  }

  /** Takes a peer's token; @returns the seconds until there is one again, or 0. */
  private take(peer: Peer): number {
    const { uid, peer_rate = PEER_RATE, now } = this.options;
    const isOwn = peer.uid === uid || peer.uid === 0;
    const rate = isOwn ? OWN_RATE : peer_rate;
    const key = keyOf(peer);
    const at = now ? now() : performance.now();
    const full: Bucket = { tokens: rate.burst, filled_at: at };
    const bucket = this.buckets.get(key) ?? full;
    const filled = ((at - bucket.filled_at) / 1000) * rate.per_second;
    bucket.tokens = Math.min(rate.burst, bucket.tokens + filled);
    bucket.filled_at = at;
    // To the end of the line of those who are forgotten.
    this.buckets.delete(key);
    this.buckets.set(key, bucket);
    if (this.buckets.size > PEERS_MAX)
      this.buckets.delete(this.buckets.keys().next().value!);
    if (bucket.tokens < 1)
      return Math.ceil((1 - bucket.tokens) / rate.per_second);
    bucket.tokens--;
    return 0;
  }
}

const placeOf = (peer: Peer, standing: Standing) =>
  `${standing} ${keyOf(peer)}`;

/** A user of this host, an IPv4 address, or the /64 of an IPv6 address, which one peer has whole. */
export function keyOf({ uid, address }: Pick<Peer, "uid" | "address">): string {
  if (uid !== null) return `uid ${uid}`;
  const bytes = address === null ? null : parseAddress(address);
  if (!bytes) return "unknown";
  return isMapped(bytes) ? address! : bytes.subarray(0, 8).join();
}

const tooMany = (
  route: Route,
  sentence: string,
  wait_seconds: number,
  headers: Record<string, string> = {},
) =>
  errorResponse(
    fail.overloaded(sentence, `try again in ${wait_seconds} s`),
    route,
    { status: 429, headers: { "retry-after": `${wait_seconds}`, ...headers } },
  );
