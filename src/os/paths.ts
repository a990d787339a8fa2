/**
 * Where things are kept, and folders that nobody else can look into. Nothing
 * here depends on the working directory.
 */
import { Failure, errnoOf, reasonOf, fail } from "../model/failure.ts";
import { makeFolder, tryReadText } from "./file.ts";
import { type FileStat, statFile } from "./stat.ts";
import { closeOurs, setPrivate } from "./close.ts";
import { type PasswdEntry, libc } from "./libc.ts";
import {
  type Trusted,
  isOwn,
  quickOwner,
  trustedPath,
  writableByOthers,
} from "./trust.ts";

const PRIVATE = 0o700;
const STICKY = 0o1000;
/** Another who makes and removes what we look for is given up on. */
const MOST_LOOKS = 40;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The passwd entry of the effective user: /etc/passwd first, then whatever
 * else the host asks (LDAP, SSSD), which needs the C library.
 */
export function passwdEntry(uid = process.geteuid!()): PasswdEntry | null {
  for (const line of tryReadText("/etc/passwd")?.split("\n") ?? []) {
    const fields = line.split(":");
    if (fields[2] === String(uid))
      return { username: fields[0]!, home: fields[5]!, shell: fields[6]! };
  }
  return libc?.passwd(uid) ?? null;
}

/** The folders of one user, resolved once from the environment. */
export interface Paths {
  /** null when there is no home to put it in. */
  data: string | null;
  config: string | null;
  /**
   * What belongs to a data folder's server, one folder a machine in it; null as
   * `data` is.
   */
  state: string | null;
  /** Where the native library may be unpacked, best first. */
  caches: string[];
  /** What the environment says and does not count, and why. */
  ignored: string[];
}

/**
 * $HOME counts only when the effective user owns it (under sudo and su it may be
 * another's); else the passwd entry's home is used. Some users have none at all.
 * An XDG variable counts only when what it names is ours and nobody else rules a
 * folder on its way, and not beside a HOME of another user: su without - leaves
 * his. A HOME of root's, as `docker run --user` leaves it, is nobody's. What lies
 * below the home is looked at by whoever uses it (`ensurePrivateDir`).
 */
export function resolvePaths(env: Environment): Paths {
  const ignored: string[] = [];
  const named = (name: string, whose: (path: string) => string | null) => {
    const path = env[name];
    if (!path?.startsWith("/")) return null;
    const reason = whose(path);
    if (reason === null) return path;
    ignored.push(`${name} is not used: ${reason}`);
    return null;
  };
  const ours = named("HOME", notOwned);
  const home = ours ?? passwdEntry()?.home;
  const anothers = ours ? null : anothersHome(env["HOME"]);
  const given = (name: string) => {
    const path = named(name, (path) => anothers ?? notOurs(path));
    return path && `${path}/session-buddy`;
  };
  const usual = (folder: string) =>
    home?.startsWith("/") ? `${home}/${folder}/session-buddy` : null;
  const xdg = (name: string, folder: string) => given(name) ?? usual(folder);
  const data = xdg("XDG_DATA_HOME", ".local/share");
  const state = given("XDG_STATE_HOME");
  // Data folders that were moved alone shall not share one server's state.
  const alone = data !== usual(".local/share") && !state;
  const cache = xdg("XDG_CACHE_HOME", ".cache");
  const runtime = env["XDG_RUNTIME_DIR"];
  return {
    data,
    config: xdg("XDG_CONFIG_HOME", ".config"),
    state: alone ? `${data}/state` : (state ?? usual(".local/state")),
    caches: [
      ...(cache ? [cache] : []),
      // Looked at only when it is used: few ever need it.
      ...(runtime?.startsWith("/") ? [`${runtime}/session-buddy`] : []),
      `/var/tmp/session-buddy-${process.geteuid!()}`,
    ],
    ignored,
  };
}

/** Why nothing of an environment counts, by its HOME; null when it may. */
function anothersHome(path: string | undefined): string | null {
  const stat = path ? statFile(path, { follow: true }) : null;
  if (!stat || stat.uid === 0) return null;
  return `HOME is that of uid ${stat.uid}`;
}

function notOwned(path: string): string | null {
  const stat = statFile(path, { follow: true });
  if (stat && isOwn(stat.uid)) return null;
  return stat
    ? `'${path}' belongs to uid ${stat.uid}, not to us`
    : `there is no '${path}'`;
}

/**
 * Why a path of the environment is not this user's own.
 * @returns null when it is: what is there of it is ours, or in a folder such as
 *   /tmp, where it can be made
 */
function notOurs(path: string): string | null {
  try {
    if (quickOwner(path) === process.geteuid!()) return null;
    const { folder, stat } = trustedPath(path);
    if (folder.uid === process.geteuid!()) return null;
    if (!stat && folder.mode & STICKY) return null;
    return `'${path}' belongs to uid ${folder.uid}, not to us`;
  } catch (error) {
    if (error instanceof Failure) return error.sentence;
    throw error;
  }
}

/**
 * Makes a folder that only we can enter, parents included, or checks that it is
 * one: no link, ours, closed to others, and nobody else rules a folder above.
 * @returns its path without links
 * @throws Failure (permission, storage) with the mend
 */
export function ensurePrivateDir(path: string): string {
  try {
    let place = trustedPath(path, "leaf");
    const made = place.stat === null;
    for (let looks = 0; !place.stat && looks < MOST_LOOKS; looks++) {
      makeMissing(place);
      // Another may have been faster, on the way too.
      place = trustedPath(place.path, "leaf");
    }
    if (!made) closeOurs(place);
    checkPrivateDir(path, place.stat);
    return place.path;
  } catch (error) {
    throw folderFailure(path, error);
  }
}

/**
 * The same for a folder in one of which that is known just now.
 * @throws Failure (permission, storage) with the mend
 */
export function ensurePrivateDirIn(path: string): void {
  try {
    let stat = statFile(path, { follow: false });
    if (!stat) {
      makePrivate(path);
      stat = statFile(path, { follow: false });
    }
    checkPrivateDir(path, stat);
  } catch (error) {
    throw folderFailure(path, error);
  }
}

/**
 * Makes what is missing of a path: each folder in one that nobody else rules, as
 * was seen, or that was made just now. It ends where another was faster, for that
 * may be a link of his.
 */
function makeMissing({ path, reached }: Trusted): void {
  for (let end = reached.length; end !== -1;) {
    const folder = path.slice(0, end);
    if (folder.endsWith("/..") || !makePrivate(folder)) return;
    const next = end === path.length ? -1 : path.indexOf("/", end + 1);
    end = next === -1 && end !== path.length ? path.length : next;
  }
}

/** @returns false when something is there */
function makePrivate(path: string): boolean {
  try {
    makeFolder(path, PRIVATE);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
  // A umask may have taken our own rights away.
  if (statFile(path, { follow: false })?.mode !== PRIVATE) setPrivate(path);
  return true;
}

function checkPrivateDir(path: string, stat: FileStat | null): void {
  if (!stat) throw fail.storage(`'${path}' cannot be made`);
  if (stat.kind !== "folder")
    throw fail.permission(
      `'${path}' is not a folder of its own`,
      "move it away, links are not followed there",
    );
  if (!isOwn(stat.uid))
    throw fail.permission(
      `'${path}' belongs to uid ${stat.uid}, not to us`,
      `chown it, or set SESSION_BUDDY_DATA_DIR to a folder of uid ${process.geteuid!()}`,
    );
  // A folder of the user's choice may hold other things: it is not ours to
  // close (as root, think of /tmp), but nobody else may put anything into it.
  if (writableByOthers(path, { ...stat, mode: stat.mode & ~STICKY }))
    throw fail.permission(
      `others can write to '${path}'`,
      `try: chmod go-w '${path}', or choose a private folder`,
    );
}

/** What to do about a folder of ours that is closed to us. */
const OTHER_DATA =
  "make its folder writable, or set SESSION_BUDDY_DATA_DIR to one that is";

/**
 * The sentence for a folder or file that the system would not let us use.
 * @param writable what to do where it may not be written
 */
export function folderFailure(
  path: string,
  error: unknown,
  writable: string = OTHER_DATA,
): Failure {
  switch (errnoOf(error)) {
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return fail.permission(`'${path}' cannot be written`, writable, {
        cause: error,
      });
    case "ENOSPC":
    case "EDQUOT":
      return fail.storage(
        `the disk of '${path}' is full`,
        "free some space and try again",
        { cause: error },
      );
    case "EFBIG":
      return fail.storage(
        `a limit on the size of files stops the writing to '${path}'`,
        "raise it (ulimit -f)",
        { cause: error },
      );
    case "ENOTDIR":
    case "EEXIST":
    case "ELOOP":
      return fail.permission(
        `'${path}' is not a folder of its own`,
        "move what is in its way, links are not followed there",
        { cause: error },
      );
    default:
      return readFailure(path, error);
  }
}

/** What the errno of a call says to do, where it is not about that very path. */
const MENDS: Record<string, string> = {
  EMFILE: "this process has too many files open: raise the limit (ulimit -n)",
  ENFILE: "all of the host's open files are taken: raise fs.file-max",
  ENOMEM: "the host has no memory left",
  ENAMETOOLONG: "choose a shorter path (SESSION_BUDDY_DATA_DIR)",
  ESTALE: "its network filesystem was mounted anew: look at the mount",
  ETIMEDOUT: "its network filesystem does not answer: look at the mount",
  ENODEV: "look at the mount",
  EBUSY: "see who else uses it",
  ETXTBSY: "see who else uses it",
};

/** The sentence for a file that the system would not let us look into. */
export function readFailure(path: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const errno = errnoOf(error);
  const denied = errno === "EACCES" || errno === "EPERM";
  return new Failure(
    denied ? "permission" : "storage",
    `'${path}' cannot be ${denied ? "read" : "used"}: ${errno ?? reasonOf(error)}`,
    (errno && MENDS[errno]) ??
      (denied ? "let this user read it" : "check the disk and its permissions"),
    { cause: error },
  );
}

/** sockaddr_un holds 108 bytes, a NUL among them. */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * The socket of the server whose state is in `folder`: there, or where the path
 * would be too long, in a folder that only `folder` and the user choose.
 * $XDG_RUNTIME_DIR is no place for it: a login has it, a cron job does not, and
 * both look for the same server.
 */
export function socketPath(folder: string): string {
  const path = `${folder}/server.sock`;
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  const digest = new Bun.CryptoHasher("sha256").update(folder).digest("hex");
  const name = `session-buddy-${process.geteuid!()}-${digest.slice(0, 16)}`;
  return `/var/tmp/${name}/server.sock`;
}
