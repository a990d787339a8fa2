/**
 * Makes the provenance of a call from what its peer and its token have proved. A
 * token decides, whatever the uid: behind a tunnel or a proxy on this host every
 * remote peer has the proxy's. Without one it is the peer's user; over stdio and
 * the server's own socket, the server's.
 */
import type { TokenIdentity } from "../../auth/authorize.ts";
import type { Provenance } from "../../model/reporter.ts";
import { passwdEntry } from "../../os/paths.ts";
import { hostNames } from "../../os/proc.ts";
import type { Caller } from "./tool.ts";

/** @param token what decides; null where none is asked for */
export function provenanceOf(
  { via, uid, address, loopback }: Caller,
  token: TokenIdentity | null,
): Provenance {
  const from = { via, uid, address };
  if (token) {
    const { subject, scope, host, user } = token;
    return {
      ...{ ...from, subject, reporter: `token:${subject ?? ""}` },
      ...(scope === "admin" && { acts_for_all: true }),
      ...(host !== undefined && { host }),
      ...(user !== undefined && { user }),
    };
  }
  const own = process.geteuid!();
  const who = via === "tcp" ? uid : own;
  const user = loopback && who !== null ? userOf(who) : null;
  return {
    ...{ ...from, subject: null, reporter: `uid:${who ?? "unknown"}` },
    ...((who === 0 || who === own) && { acts_for_all: true }),
    ...(user !== null && { host: hostNames().hostname, user }),
  };
}

const users = new Map<number, string | null>();

function userOf(uid: number): string | null {
  let user = users.get(uid);
  if (user === undefined)
    users.set(uid, (user = passwdEntry(uid)?.username ?? null));
  return user;
}
