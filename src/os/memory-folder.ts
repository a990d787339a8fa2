/**
 * A private folder in memory: bash before 5.3 can hand its last history entry to
 * itself without a process only by a file, and what it holds may be a secret.
 */
import {
  O_NOFOLLOW,
  O_RDONLY,
  closeFile,
  makeFolder,
  namesIn,
  openFile,
} from "./file.ts";
import { libc, nodeFs } from "./libc.ts";
import { statFile } from "./stat.ts";
import { isOwn } from "./trust.ts";

const PLACE = "/dev/shm";
const ARM = process.arch === "arm64";
const SYS_UNLINKAT = ARM ? 35 : 263;
const SYS_FSTATFS = ARM ? 44 : 138;
const AT_FDCWD = -100;
const AT_REMOVEDIR = 0x200;
const TMPFS = 0x01021994n;

/** By the id of the session that it is for. */
export const memoryFolderOf = (session_id: string): string =>
  `session-buddy-${session_id}`;

const encoder = new TextEncoder();

export class MemoryFolder {
  private constructor(readonly path: string) {}

  /** @returns null where there is none to be had: bash then forks instead */
  static make(name: string): MemoryFolder | null {
    if (!libc) return null;
    const path = `${PLACE}/${name}`;
    try {
      // In a folder for everybody: it has to be made by us, just now.
      makeFolder(path, 0o700);
    } catch {
      return null;
    }
    const made = new MemoryFolder(path);
    if (made.isInMemory()) return made;
    made.remove();
    return null;
  }

  private isInMemory(): boolean {
    const { syscall } = libc!.calls;
    const fd = openFile(this.path, O_RDONLY | O_NOFOLLOW);
    // struct statfs: the type comes first.
    const facts = new BigInt64Array(16);
    const failed = syscall(SYS_FSTATFS, fd, facts as never, 0, 0);
    closeFile(fd);
    return Number(failed) === 0 && facts[0] === TMPFS;
  }

  /** Removes what a process left that was killed: a private folder of ours, nothing else. */
  static sweep(name: string): void {
    const path = `${PLACE}/${name}`;
    const stat = libc && statFile(path, { follow: false });
    if (stat?.kind === "folder" && isOwn(stat.uid) && stat.mode === 0o700)
      new MemoryFolder(path).remove();
  }

  /** Shells of the session that go on do without. */
  remove(): void {
    try {
      for (const name of namesIn(this.path))
        if (name !== "." && name !== "..") unlink(`${this.path}/${name}`, 0);
    } catch {
      // Somebody was faster: it is gone.
    }
    unlink(this.path, AT_REMOVEDIR);
  }
}

/** Removes a file, when it is there and may be removed. */
export function removeFile(path: string): void {
  if (libc) unlink(path, 0);
  else nodeFs().rmSync(path, { force: true });
}

function unlink(path: string, flags: number): void {
  const name = encoder.encode(`${path}\0`);
  libc!.calls.syscall(SYS_UNLINKAT, AT_FDCWD, name, flags, 0);
}
