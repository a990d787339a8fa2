/**
 * Decides who may ask for what, for HTTP routes, MCP messages and tools alike. A
 * peer on the server's own socket or on stdio is the server's user and may do
 * everything. Over TCP the token decides once a secret is set; without one, only
 * the server's user and root are served.
 */
import { type Failure, fail } from "../model/failure.ts";
import type { Provenance } from "../model/reporter.ts";
import type { Scope } from "./token.ts";

/**
 * What something asks for:
 *
 *   open      whether the server works; anybody may
 *   protocol  what the server offers, and nothing recorded; needs no token
 *   read      what is recorded
 *   record    to record something
 */
export type Access = "open" | "protocol" | "read" | "record";

/** What a token has proved. */
export interface TokenIdentity {
  subject: string | null;
  scope: Scope;
  /** The host that its bearer may report of, and no other. */
  host?: string;
  /** The user, likewise. */
  user?: string;
  /** When it ends: milliseconds since the epoch. */
  ends_ms?: number;
}

/** The other end of a call, as the server sees it. */
export type Peer = Pick<Provenance, "via" | "uid">;

/** @returns why the peer may not; null when it may */
export type Authorize = (
  peer: Peer,
  token: TokenIdentity | null,
  access: Access,
) => Failure | null;

/**
 * The rules of a server.
 * @param uid of its user
 * @param secret whether a secret is set
 */
export const authorizer =
  ({ uid, secret }: { uid: number; secret: boolean }): Authorize =>
  (peer, token, access) => {
    if (peer.via !== "tcp" || access === "open") return null;
    if (!secret) return strangerFailure(peer.uid, uid);
    if (access === "protocol") return null;
    if (!token)
      return unauthorized("Token required (SESSION_BUDDY_SECRET is set)");
    return access === "record" && !mayRecord(token)
      ? unauthorized("the token may only read (its scope must be write)")
      : null;
  };

const mayRecord = ({ scope }: TokenIdentity) =>
  scope !== "read" && scope !== "review";

function strangerFailure(peer: number | null, owner: number): Failure | null {
  if (peer === owner || peer === 0) return null;
  return peer === null
    ? fail.permission(
        "this server cannot tell whose program you are, and has no secret to ask for",
        "set SESSION_BUDDY_SECRET for the server and for you",
      )
    : fail.permission(
        `this server belongs to another user (uid ${owner}, you are ${peer}), and has no secret to ask for`,
        "run a server of your own, or set SESSION_BUDDY_SECRET for that server and for you",
      );
}

const unauthorized = (reason: string, cause?: string) =>
  fail.unauthorized(
    `Authentication failed: ${reason}`,
    undefined,
    cause === undefined ? {} : { cause },
  );

/** @param cause why, in a few words that hold nothing of the token */
export const tokenInvalid = (cause: string) =>
  unauthorized("invalid or expired token", cause);
