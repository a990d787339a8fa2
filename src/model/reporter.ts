/**
 * Reporters. A session belongs to its first reporter: this host's spool, a token's
 * subject, or a user of this host. Events of its life from others are rejected; the
 * spool outranks the wire, and one that may act for all reports of any session without
 * becoming its reporter. Annotations of others are kept as remarks beside the session.
 */
import { type Event, type SessionStart, isKind, isWatch } from "./event.ts";

/** How the host and the user of a session are known. */
export const ATTESTED = ["spool", "uid", "token", "claimed"] as const;
export type Attested = (typeof ATTESTED)[number];

/** Who brought an event, as the receiving server saw it. */
export interface Provenance {
  via: "spool" | "tcp" | "socket" | "stdio";
  /** The peer's user on this host; null when it cannot be told. */
  uid: number | null;
  /** `sub` of the token that it came with. */
  subject: string | null;
  /** The peer's address, without its port. */
  address: string | null;
  /**
   * `spool`, `token:SUBJECT` (all without a subject are one, `token:`), or
   * `uid:N`. Left out by versions that did not ask who reports.
   */
  reporter?: string;
  /** May report of any session. */
  acts_for_all?: true;
  /** The host that it is known to come from: this one, or the token's. */
  host?: string;
  /** The user that it is known to come from, likewise. */
  user?: string;
}

/** This host's own spool. */
export const SPOOL: Provenance = {
  via: "spool",
  uid: null,
  subject: null,
  address: null,
  reporter: "spool",
};

/** The server itself, of what a peer did: no peer can say that it is. */
export const byServer = (peer: Provenance): Provenance => ({
  ...{ via: peer.via, uid: peer.uid, subject: peer.subject },
  ...{ address: peer.address, reporter: SERVER, acts_for_all: true },
});

export const SERVER = "server";

export const NOT_YOURS = "belongs to another reporter";

/** Null when it is unknown: the store itself, or an event of an older version. */
export function reporterOf(from: Provenance | null): string | null {
  if (from === null) return null;
  if (from.reporter !== undefined) return from.reporter;
  if (from.via === "spool") return "spool";
  if (from.subject !== null) return `token:${from.subject}`;
  // Over TCP it may have come with a token without a subject.
  return from.via !== "tcp" && from.uid !== null ? `uid:${from.uid}` : null;
}

/** Of a version without reporters, or of the store itself: it always counts. */
export const isUnquestioned = (from: Provenance | null): boolean =>
  from?.reporter === undefined;

/** Whether everybody may bring it, of any session. */
export const isRemark = (event: Pick<Event, "event_type">): boolean =>
  event.event_type === "annotation" || isWatch(event);

/**
 * The reporter that a session without one gets by this event; null for none. One that
 * acts for all becomes it by a start alone.
 */
export function claimantOf(
  event: Pick<Event, "event_type">,
  from: Provenance | null,
): string | null {
  const reports = !isRemark(event) && from?.acts_for_all !== true;
  return reports || event.event_type === "session_start"
    ? reporterOf(from)
    : null;
}

/** The owner of a session that ended without a known reporter. */
const NOBODY = "nobody";

/**
 * @param reporter as the session's events say
 * @param ended whether an end was observed or declared
 * @returns null while the session has no owner
 */
export const ownerOf = (
  reporter: string | null,
  ended: boolean,
): string | null => reporter ?? (ended ? NOBODY : null);

/** @param owner the session's `ownerOf`; null while it has none */
export const mayReport = (owner: string | null, from: Provenance): boolean =>
  owner === null ||
  isUnquestioned(from) ||
  from.acts_for_all === true ||
  from.reporter === owner ||
  from.reporter === SPOOL.reporter;

/**
 * Why an event may not be reported by who brings it, in words; null when it may.
 * @param owner the session's reporter; null while it has none
 */
export function rejectionOf(
  event: Event,
  owner: string | null,
  from: Provenance | null,
): string | null {
  if (from === null) return null;
  const unbound = boundTo(event, from);
  if (unbound !== null) return unbound;
  return isRemark(event) || mayReport(owner, from) ? null : NOT_YOURS;
}

/**
 * What a token binds its bearer may not say otherwise. A conversation on a channel
 * has no host, and its user is who writes there.
 */
function boundTo(event: Event, from: Provenance): string | null {
  if (!isKind(event, "session_start") || !isToken(from)) return null;
  const { hostname, user, session_type } = event;
  if (session_type === "channel" && hostname === "") return null;
  if (from.host !== undefined && hostname !== from.host)
    return `hostname: the token may report of host '${from.host}' alone`;
  if (from.user !== undefined && user.username !== from.user)
    return `user.username: the token may report of user '${from.user}' alone`;
  return null;
}

const isToken = ({ reporter }: Provenance): boolean =>
  reporter?.startsWith("token:") ?? false;

/** How the host and the user that a start names are known; null when that is unknown. */
export function attestedBy(
  { hostname, user }: SessionStart,
  from: Provenance | null,
): Attested | null {
  if (from === null) return null;
  if (from.via === "spool") return "spool";
  if (hostname !== from.host || user.username !== from.user) return "claimed";
  return isToken(from) ? "token" : "uid";
}

/** Whether a stored event is another's remark. */
export function isAside(
  event: Event,
  from: Provenance | null,
  owner: string | null,
): boolean {
  if (!isRemark(event) || isUnquestioned(from)) return false;
  return from!.acts_for_all !== true && from!.reporter !== owner;
}
