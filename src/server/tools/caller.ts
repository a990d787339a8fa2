/**
 * Who calls: what the edge found out about the other end of a request, before
 * any tool runs. Nothing in it is as the client told it.
 */
import type { TokenIdentity } from "../../auth/authorize.ts";

export interface Caller {
  via: "tcp" | "socket" | "stdio";
  /** The peer's user on this host; null when it cannot be told, or is another host. */
  uid: number | null;
  /** The peer's address, without its port. */
  address: string | null;
  /** Came from this host. */
  loopback: boolean;
  /** What the Authorization header proved; null when there was none, or no secret is set. */
  token: TokenIdentity | null;
  request_id: string;
}
