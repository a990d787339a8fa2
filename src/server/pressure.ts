/**
 * Too much at once: a bound on the requests under way, and on how often one
 * peer may come. Both answer 429, and say when to come again.
 */
import { Failure } from "../model/failure.ts";
import type { Peer } from "../os/peer.ts";
import { parseAddress, isMapped } from "../os/address.ts";
import { type Route, refusal } from "./refusal.ts";

/** Requests a second, and how many may come at once after a pause. */
export interface Rate {
  per_second: number;
  burst: number;
}

/** The server's own user and root share its fate: bounded against loops, not against load. */
const FRIEND_RATE: Rate = { per_second: 50_000, burst: 100_000 };
const PEER_RATE: Rate = { per_second: 2_000, burst: 4_000 };
/** Peers remembered; whoever came longest ago is forgotten first. */
const PEERS_MAX = 10_000;

export interface PressureOptions {
  max_in_flight: number;
  /** The server's user. */
  uid: number;
  peer_rate?: Rate;
  friend_rate?: Rate;
  /** Milliseconds, never going back. */
  now?: () => number;
}

interface Bucket {
  tokens: number;
  filled_at: number;
}

export class Pressure {
  private inFlight = 0;
  private readonly buckets = new Map<string, Bucket>();

  constructor(private readonly options: PressureOptions) {}

  /** Requests under way. */
  get depth(): number {
    return this.inFlight;
  }

  /**
   * Counts a request in; when it is let in, `leave` counts it out.
   * @returns what to answer when it is not let in
   */
  enter(route: Route, peer: Peer): Response | null {
    const { max_in_flight } = this.options;
    if (this.inFlight >= max_in_flight)
      return tooMany(
        route,
        `${max_in_flight} requests are under way already`,
        1,
      );
    const wait_seconds = peer.via === "tcp" ? this.take(peer) : 0;
    if (wait_seconds > 0)
      return tooMany(
        route,
        "you send more requests than you may",
        wait_seconds,
      );
    this.inFlight++;
    return null;
  }

  leave(): void {
    this.inFlight--;
  }

  /** Takes a peer's token; @returns the seconds until there is one again, or 0. */
  private take(peer: Peer): number {
    const {
      uid,
      peer_rate,
      friend_rate,
      now = () => performance.now(),
    } = this.options;
    const friend = peer.uid !== null && [0, uid].includes(peer.uid);
    const rate = friend
      ? (friend_rate ?? FRIEND_RATE)
      : (peer_rate ?? PEER_RATE);
    const key = keyOf(peer);
    const at = now();
    const bucket = this.buckets.get(key) ?? {
      tokens: rate.burst,
      filled_at: at,
    };
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

/** A user of this host, an IPv4 address, or the /64 of an IPv6 address, which one peer has whole. */
function keyOf({ uid, address }: Peer): string {
  if (uid !== null) return `uid ${uid}`;
  const bytes = address === null ? null : parseAddress(address);
  if (!bytes) return "unknown";
  return isMapped(bytes) ? address! : bytes.subarray(0, 8).join();
}

const tooMany = (route: Route, sentence: string, wait_seconds: number) =>
  refusal(
    new Failure("overloaded", sentence, `try again in ${wait_seconds} s`),
    route,
    { status: 429, headers: { "retry-after": `${wait_seconds}` } },
  );
