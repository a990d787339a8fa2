/**
 * The hooks' files: embedded, written once a version into a private folder of
 * their own, and compared at each start. A shell runs what stands in them, so
 * what is not to the byte what we would write is written anew.
 *
 * A shell that starts within a session reads them, whatever version wrapped it:
 * a wrapper holds a lock on its folder, and only folders without one are removed.
 */
import type * as fs from "node:fs";
import { errnoOf } from "../../model/failure.ts";
import {
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  closeFile,
  lockFile,
  openFile,
  readOpen,
} from "../../os/file.ts";
import { libc, nodeFs } from "../../os/libc.ts";
import { ensurePrivateDirIn } from "../../os/paths.ts";
import { statFile, statOpen } from "../../os/stat.ts";
import { isOwn } from "../../os/trust.ts";
import { VERSION } from "../../version.ts";
import envBash from "./env.bash" with { type: "text" };
import hookBash from "./hook.bash" with { type: "text" };
import rcBash from "./rc.bash" with { type: "text" };
import hookFish from "./hook.fish" with { type: "text" };
import hookPython from "./hook.py" with { type: "text" };
import hookZsh from "./hook.zsh" with { type: "text" };
// Made when the executable is built: a start would wait for the table.
import { prefilter } from "./prefilter.ts" with { type: "macro" };
import zshenv from "./zshenv.zsh" with { type: "text" };

export type Files = Readonly<Record<string, string>>;

/** By their names below the folder. */
const FILES: Files = {
  "rc.bash": rcBash,
  "env.bash": envBash,
  "hook.bash": hookBash,
  "prefilter.bash": prefilter("bash"),
  "zdot/.zshenv": zshenv,
  "hook.zsh": hookZsh,
  "prefilter.zsh": prefilter("zsh"),
  "hook.fish": hookFish,
  "prefilter.fish": prefilter("fish"),
  "hook.py": hookPython,
  "prefilter.pcre": prefilter("pcre"),
};

/**
 * The files for whose redaction has patterns of its own: shells look for their
 * words, too.
 */
export async function hookFiles(words: readonly string[]): Promise<Files> {
  if (words.length === 0) return FILES;
  const { prefilter: make } = await import("./prefilter.ts");
  return {
    ...FILES,
    "prefilter.bash": make("bash", words),
    "prefilter.zsh": make("zsh", words),
    "prefilter.fish": make("fish", words),
    "prefilter.pcre": make("pcre", words),
  };
}

const PRIVATE_FOLDER = 0o700;
const PRIVATE_FILE = 0o600;

/**
 * The folder of this version's hooks, whole, and locked until this process ends.
 * @param data the data folder, known to be ours alone
 * @throws Failure, or Error with `code`
 */
export function ensureHooks(data: string, files: Files): string {
  const folder = hooksFolder(data, files);
  if (!isWhole(folder, files)) write(`${data}/hooks`, folder, files);
  // It stays open as long as we run.
  libc?.shareLock(openFile(folder, O_RDONLY | O_NOFOLLOW));
  return folder;
}

/** By version and content: a build of the same version may have others. */
export function hooksFolder(data: string, files: Files): string {
  const digest = Bun.hash(Object.values(files).join("\0")).toString(16);
  return `${data}/hooks/${VERSION}-${digest}`;
}

function isWhole(folder: string, files: Files): boolean {
  if (!isPrivate(folder) || !isPrivate(`${folder}/zdot`)) return false;
  return Object.entries(files).every(([name, text]) =>
    holds(`${folder}/${name}`, text),
  );
}

function isPrivate(folder: string): boolean {
  const stat = statFile(folder, { follow: false });
  return (
    stat?.kind === "folder" && isOwn(stat.uid) && stat.mode === PRIVATE_FOLDER
  );
}

const decoder = new TextDecoder();

/** Whether this text, and nothing else, stands in a private file of ours. */
function holds(path: string, text: string): boolean {
  let fd: number;
  try {
    fd = openFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    // Not there, or something else is: it is written.
    return false;
  }
  try {
    const { kind, uid, mode } = statOpen(fd);
    if (kind !== "file" || !isOwn(uid) || mode !== PRIVATE_FILE) return false;
    return decoder.decode(readOpen(fd, path)) === text;
  } finally {
    closeFile(fd);
  }
}

/** Makes the folder beside, and renames it into place: first starts may race. */
function write(parent: string, folder: string, files: Files): void {
  // Once a version: it may load what a start does not.
  const node = nodeFs();
  ensurePrivateDirIn(parent);
  const made = `${folder}.${Bun.randomUUIDv7().slice(-12)}.new`;
  try {
    for (const place of [made, `${made}/zdot`]) {
      node.mkdirSync(place, PRIVATE_FOLDER);
      // A umask may have taken our own rights away.
      node.chmodSync(place, PRIVATE_FOLDER);
    }
    for (const [name, text] of Object.entries(files))
      writeFile(node, `${made}/${name}`, text);
    publish(node, made, folder, files);
  } finally {
    node.rmSync(made, { recursive: true, force: true });
  }
  removeUnused(node, parent, folder);
}

function writeFile(node: typeof fs, path: string, text: string): void {
  const fd = node.openSync(path, "wx", PRIVATE_FILE);
  try {
    node.fchmodSync(fd, PRIVATE_FILE);
    node.writeFileSync(fd, text);
    // A shell must not find half a hook after the machine went down.
    node.fsyncSync(fd);
  } finally {
    node.closeSync(fd);
  }
}

function publish(
  node: typeof fs,
  made: string,
  folder: string,
  files: Files,
): void {
  try {
    return node.renameSync(made, folder);
  } catch (error) {
    const taken = ["EEXIST", "ENOTEMPTY", "ENOTDIR"];
    if (!taken.includes(errnoOf(error) ?? "")) throw error;
  }
  // Another start was faster, or something is not as it should be.
  if (isWhole(folder, files)) return;
  const aside = `${made}.aside`;
  node.renameSync(folder, aside);
  node.renameSync(made, folder);
  node.rmSync(aside, { recursive: true, force: true });
}

/** Removes what other versions left, unless a session of theirs goes on. */
function removeUnused(node: typeof fs, parent: string, folder: string): void {
  for (const name of node.readdirSync(parent)) {
    const path = `${parent}/${name}`;
    if (path === folder || name.endsWith(".new")) continue;
    let fd: number | null = null;
    try {
      fd = openFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      if (lockFile(fd) === "held") node.rmSync(path, { recursive: true });
    } catch {
      // Removed by another start, or not ours to remove: it harms nobody.
    } finally {
      if (fd !== null) closeFile(fd);
    }
  }
}
