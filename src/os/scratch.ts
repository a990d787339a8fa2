/**
 * Makes a private folder beside a path, where a file is made before it takes its
 * place; finds the temporary folders that may be used. The folder's name is random
 * and no other user can enter it; what is in it is reached by the folder's
 * descriptor, so it does not matter who else can write to the folder around. No
 * letter of a name is the user's choice: DuckDB takes some for patterns or options.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  rmdirSync,
} from "node:fs";
import { dirname } from "node:path";
import { Failure, errnoOf, fail } from "../model/failure.ts";
import { libc } from "./libc.ts";
import { trustedPath } from "./trust.ts";
import { tmpdir } from "node:os";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
const NAME = /^\.session-buddy-[0-9a-f]{32}\.new$/;

/** A file that is in each once its maker has locked it. */
const LOCKED = ".locked";
/** A younger one without it may be in use: not locked yet, or where there are no locks. */
const IN_USE_MS = 3_600_000;

const MOVED: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ELOOP"]);

const disturbed = (path: string) =>
  fail.permission(
    `somebody else changes what we make in '${dirname(path)}'`,
    "choose a folder that nobody else can write to",
  );

/** A folder, open: a name in it leads there whatever becomes of its own. */
export class OpenFolder implements Disposable {
  protected readonly fd: number;

  /** @throws Error with `code`; Failure (permission) when it is ours no more */
  constructor(
    readonly path: string,
    at: string = path,
  ) {
    try {
      this.fd = openSync(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    } catch (error) {
      // It was there a moment ago.
      throw MOVED.has(errnoOf(error) ?? "") ? disturbed(path) : error;
    }
    const { uid, mode } = fstatSync(this.fd);
    if (uid === process.geteuid!() && (mode & 0o077) === 0) return;
    closeSync(this.fd);
    throw disturbed(path);
  }

  at(name: string): string {
    const here = `/proc/self/fd/${this.fd}`;
    return `${existsSync(here) ? here : this.path}/${name}`;
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

export class Scratch extends OpenFolder {
  private removed = false;

  constructor(
    path: string,
    private readonly there: string,
  ) {
    super(path, there);
  }

  /**
   * Makes one beside a path, and removes those that killed processes of ours
   * have left there, where nobody else could have given them their names.
   * @param at how it is reached
   * @throws Error with `code` where none can be made; Failure (permission) when
   *   somebody else put another folder in its place
   */
  static beside(path: string, at: string = path): Scratch {
    removeAbandoned(dirname(path));
    const random = crypto.randomUUID().replaceAll("-", "");
    const name = `.session-buddy-${random}.new`;
    const own = `${dirname(path)}/${name}`;
    const there = `${dirname(at)}/${name}`;
    mkdirSync(there, { mode: 0o700 });
    const scratch = new Scratch(own, there);
    // All that is in it when it goes has to be what was made in it.
    if (readdirSync(scratch.at("")).length > 0) {
      closeOnly(scratch);
      throw disturbed(own);
    }
    try {
      // From then on it is locked, or its maker is dead.
      if (scratch.tryLock())
        closeSync(openSync(scratch.at(LOCKED), "wx", 0o600));
    } catch (error) {
      scratch.remove();
      throw error;
    }
    return scratch;
  }

  /** Whether its maker is gone, as far as can be told. */
  isAbandoned(): boolean {
    const young = Date.now() - fstatSync(this.fd).ctimeMs < IN_USE_MS;
    if (young && !existsSync(this.at(LOCKED))) return false;
    return this.tryLock();
  }

  /** Held while its maker lives. */
  tryLock(): boolean {
    try {
      return libc?.tryLock(this.fd) ?? false;
    } catch {
      // A filesystem without locks: what is abandoned there stays.
      return false;
    }
  }

  /** With all that is in it. */
  remove(): void {
    if (this.removed) return;
    this.removed = true;
    for (const name of readdirSync(this.at("")))
      rmSync(this.at(name), { recursive: true, force: true });
    try {
      rmdirSync(this.there);
    } catch {
      // Renamed by somebody: it is empty.
    }
    closeSync(this.fd);
  }

  override [Symbol.dispose](): void {
    this.remove();
  }
}

/**
 * By their names: whoever may rename in that folder could have named another one
 * of ours so.
 */
function removeAbandoned(path: string): void {
  let folder: string;
  let names: string[];
  try {
    folder = trustedPath(path).path;
    names = readdirSync(folder).filter((name) => NAME.test(name));
  } catch {
    // Others rule it, or it cannot be listed: what is abandoned there stays.
    return;
  }
  for (const name of names)
    try {
      const path = `${folder}/${name}`;
      const found = new Scratch(path, path);
      if (found.isAbandoned()) found.remove();
      else closeOnly(found);
    } catch {
      // Not ours, or gone since: it only takes room.
    }
}

const closeOnly = (folder: OpenFolder) =>
  OpenFolder.prototype[Symbol.dispose].call(folder);

/**
 * Temporary folders in which no other user can exchange what is ours, $TMPDIR
 * first: `su` without `-` leaves another user's. Without links, each once.
 */
export function temporaryFolders(): string[] {
  const found = new Set<string>();
  for (const folder of [tmpdir(), "/var/tmp", "/tmp"])
    try {
      const { path, stat } = trustedPath(folder);
      if (stat?.kind === "folder") found.add(path);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      // Another's: the next one.
    }
  return [...found];
}

/** The best of them. @throws Failure (permission) when there is none */
export function temporaryFolder(): string {
  const [first] = temporaryFolders();
  if (first !== undefined) return first;
  throw fail.permission(
    "there is no temporary folder in which nobody else can exchange what is made",
    "set TMPDIR to a folder that only you can write to",
  );
}
