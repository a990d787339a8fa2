/** The files of a pass: opened when they can be read, put away when they were. */
import { closeSync, fstatSync, lstatSync, unlinkSync } from "node:fs";
import { libc } from "../os/libc.ts";
import { lockFile } from "../os/file.ts";
import { moveToDone, openOwn } from "./folder.ts";
import { quarantineWhole } from "./quarantine.ts";
import type { BadLine } from "./read.ts";
import type { DrainReport } from "./report.ts";

/** A sparse file may say of itself that it has more: it would take hours to read. */
const MAX_FILE_BYTES = 4 * 1024 ** 3;

/** How long a file rests: an empty one before it counts as abandoned, a done one before it is read again. */
export const REST_MS = 60_000;

/** Files by their name: one that was made anew meanwhile has another inode. */
export type Finished = Map<
  string,
  { inode: number; oversized: BadLine | null }
>;

export class PassFiles {
  constructor(
    private readonly folder: string,
    private readonly report: Pick<DrainReport, "refused" | "quarantined">,
  ) {}

  /** @returns null of what is not to be read, which the report tells */
  open(name: string): number | null {
    const { refused } = this.report;
    const fd = openOwn(this.folder, name, (reason) => refused.push(reason));
    if (fd === null) return null;
    const { size } = fstatSync(fd);
    if (size <= MAX_FILE_BYTES) return fd;
    try {
      const reason = `${size} bytes are more than any session writes`;
      if (lockFile(fd) === "taken") refused.push(`${name}: ${reason}`);
      else this.keepWhole(name, { offset: 0, length: size, reason });
      return null;
    } finally {
      closeSync(fd);
    }
  }

  /** Removes an empty file that nobody has written to for so long. */
  clearEmpty(name: string, fd: number, age_ms: number): void {
    if (age_ms < REST_MS) return;
    if (!libc || lockFile(fd) === "taken") return;
    // Locked by us and still empty: nobody was ever told of it.
    if (fstatSync(fd).size === 0) unlinkSync(`${this.folder}/${name}`);
  }

  /** Keeps a whole file in quarantine, for a line that cannot be copied. */
  keepWhole(name: string, line: BadLine): void {
    const path = quarantineWhole(this.folder, name);
    this.report.quarantined.push({ ...line, path });
  }

  /** Puts files away whose every line is stored. */
  putAway(finished: Finished, done: string): void {
    const whole = new Map<string, number>();
    for (const [name, { inode, oversized }] of finished)
      if (!oversized) whole.set(name, inode);
      else if (this.inodeOf(name) === inode) this.keepWhole(name, oversized);
    moveToDone(this.folder, whole, done);
  }

  private inodeOf(name: string): number | undefined {
    return lstatSync(`${this.folder}/${name}`, { throwIfNoEntry: false })?.ino;
  }
}
