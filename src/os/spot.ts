/**
 * Resolves a path, step by step, to a name in a folder that is held open: it leads
 * there whatever becomes of the names of the folders above. A link is followed
 * when it is ours or root's: another user's could lead anywhere, and a folder of
 * another user may have become one since it was looked at.
 */
import {
  type Stats,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
} from "node:fs";
import { resolve } from "node:path";
import { fail } from "../model/failure.ts";
import { statOpen } from "./stat.ts";
import { isOwnOrRoots, trustedPath, writableByOthers } from "./trust.ts";

const { O_DIRECTORY, O_NOFOLLOW } = constants;
export const O_PATH = 0o10000000;
const STICKY = 0o1000;
/** As many as the kernel follows. */
const MAX_LINKS = 40;

interface Held {
  fd: number;
  /** Without links; empty: /. */
  path: string;
}

/**
 * @throws Failure when it is relative to a working directory that is gone, which
 *   `resolve` does not see: the runtime has another one in mind
 */
export function absolutePath(path: string): string {
  if (path.startsWith("/")) return resolve(path);
  try {
    return resolve(process.cwd(), path);
  } catch (cause) {
    throw fail.usage(
      `'${path}' leads nowhere: the working directory is gone`,
      "give an absolute path, or go to a folder that is there",
      { cause },
    );
  }
}

export class Spot implements Disposable {
  /** @param at how it is reached */
  private constructor(
    private readonly folder: Held,
    private readonly name: string,
    readonly at: string,
    /** What is there; a link only below /proc, or when none is to be followed. */
    readonly stat: Stats | null,
  ) {}

  /**
   * @param given relative to the working directory
   * @param links `leaf`: one at the end is not followed
   * @throws Error with `code`; Failure for a link that is not to be followed
   */
  static open(given: string, links: "follow" | "leaf" = "follow"): Spot {
    const held = [{ fd: openFolder("/"), path: "" }];
    const parts = absolutePath(given).split("/").reverse();
    try {
      for (let followed = 0; ;) {
        const name = parts.pop();
        const folder = held.at(-1)!;
        if (name === undefined) throw noFile(given, "is a folder");
        if (name === "" || name === ".") continue;
        if (name === "..") {
          if (held.length > 1) closeSync(held.pop()!.fd);
          continue;
        }
        const at = `${reach(folder)}/${name}`;
        const path = `${folder.path}/${name}`;
        const stat = lstatSync(at, { throwIfNoEntry: false }) ?? null;
        const last = parts.every((part) => part === "" || part === ".");
        // The text of a link at the end in /proc is no path.
        const stays = links === "leaf" || path.startsWith("/proc/");
        if (stat?.isSymbolicLink() && !(last && stays)) {
          if (!isOwnOrRoots(stat.uid)) throw foreignLink(path, stat);
          if (++followed > MAX_LINKS)
            throw noFile(given, "is a link that leads nowhere");
          const target = readlinkSync(at);
          if (target.startsWith("/"))
            for (const { fd } of held.splice(1)) closeSync(fd);
          parts.push(...target.split("/").reverse());
          continue;
        }
        if (last) return new Spot(held.pop()!, name, at, stat);
        if (!stat?.isDirectory()) throw noFolder(path);
        held.push({ fd: openFolder(at), path });
      }
    } finally {
      for (const { fd } of held) closeSync(fd);
    }
  }

  /** Absolute, links followed. */
  get path(): string {
    return `${this.folder.path}/${this.name}`;
  }

  /** What its folder is. */
  get above(): Stats {
    return fstatSync(this.folder.fd);
  }

  /** Whether others can give things in its folder another name, or put theirs there. */
  get isOthers(): boolean {
    const stat = statOpen(this.folder.fd);
    const path = this.folder.path || "/";
    return (
      !isOwnOrRoots(stat.uid) ||
      writableByOthers(path, { ...stat, mode: stat.mode & ~STICKY })
    );
  }

  [Symbol.dispose](): void {
    closeSync(this.folder.fd);
  }
}

function openFolder(path: string): number {
  return openSync(path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

/** Without /proc by its name, which nobody else may rule then. */
function reach({ fd, path }: Held): string {
  const here = `/proc/self/fd/${fd}`;
  if (existsSync(here)) return here;
  return trustedPath(path || "/").path.replace(/^\/$/, "");
}

export const noFile = (path: string, what: string) =>
  fail.usage(`'${path}' ${what}`, "give a file, a FIFO or a device");

export const noFolder = (path: string) =>
  fail.usage(
    `there is no folder '${path}'`,
    "make it, or give a file in one that exists",
  );

const foreignLink = (path: string, { uid }: Stats) =>
  fail.permission(
    `'${path}' is a link of uid ${uid}, who could lead us anywhere`,
    "give the name that it leads to, or another one",
  );
