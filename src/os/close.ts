/**
 * Closes our folders to other users: those alone that hold nothing but what we
 * make in them.
 */
import { fail } from "../model/failure.ts";
import { type FileStat, statFile } from "./stat.ts";
import { type Trusted, isOwn, trustedPath } from "./trust.ts";

const STICKY = 0o1000;
const SETGID = 0o2000;
/** What we make in a folder of our own; config.yaml may be for all users. */
const OUR_NAMES =
  /^(spool|recordings|hooks|state|archive|copies\.jsonl|commands-announced|logs|sessions\.duckdb.*|store\.lock|lock-trial\..*|server\..*|recent-sessions.*|[0-9a-f]{32}|host-.*|duckdb-.*|commands\.json.*|\.session-buddy-.*\.new)$/;

/**
 * Closes a folder by our name to others who could look into it, when it holds
 * but what we make: /etc/session-buddy, say, is for all to read.
 */
export function closeOurs({ path, stat }: Trusted): void {
  if (!path.endsWith("/session-buddy") || !stat || !(stat.mode & 0o077)) return;
  if (stat.mode & 0o022 || !isOursAlone(path, stat)) return;
  setPrivate(path);
}

/** Whether a folder is ours, and for nothing else than what we make in it. */
function isOursAlone(path: string, { kind, uid, mode }: FileStat): boolean {
  if (kind !== "folder" || !isOwn(uid) || mode & (STICKY | SETGID))
    return false;
  const { readdirSync } = process.getBuiltinModule("node:fs");
  const isOurs = (name: string) =>
    OUR_NAMES.test(name) &&
    isOwn(statFile(`${path}/${name}`, { follow: false })?.uid ?? -1);
  return readdirSync(path).every(isOurs);
}

/**
 * Closes a folder of ours to others; one that is used for anything else stays as
 * it is.
 * @throws Failure (permission) saying why it stays
 */
export function closeFolder(path: string): void {
  const { path: place, stat } = trustedPath(path, "leaf");
  if (stat && isOursAlone(place, stat) && isNamedOurs(place))
    return setPrivate(place);
  throw fail.permission(
    `'${path}' holds other things than ours, or is kept for others (sticky, setgid): it was left as it is`,
    "set SESSION_BUDDY_DATA_DIR to a private folder",
  );
}

/** An empty folder by another name may be for anything. */
const isNamedOurs = (path: string) =>
  path.includes("/session-buddy/") || path.endsWith("/session-buddy");

/** By its name: nobody else can put another folder there, see trust.ts. */
export const setPrivate = (path: string) =>
  process.getBuiltinModule("node:fs").chmodSync(path, 0o700);
