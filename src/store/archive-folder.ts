/** The folder of an archive: what is in it, and how it gets its name. */
import {
  accessSync,
  constants,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { errnoOf, fail } from "../model/failure.ts";
import { sync } from "../os/copy.ts";
import { outputFailure } from "../os/place.ts";
import type { OpenFolder } from "../os/scratch.ts";

export const SESSIONS_FILE = "sessions.parquet";
export const EVENTS_FILE = "events.parquet";
/** The folder of what terminals showed, where there is any. */
const RECORDINGS = "recordings";

/** How often an archive starts again because a late event came. */
export const MAX_ATTEMPTS = 5;

export const keepComing = () =>
  fail.overloaded(
    "events of old sessions keep coming",
    "nothing was removed; try again in a while",
  );

/** Removes the files of an archive, and its folder. */
export function removeFiles(made: OpenFolder, folder: string): void {
  for (const name of [SESSIONS_FILE, EVENTS_FILE, RECORDINGS])
    rmSync(made.at(name), { recursive: true, force: true });
  try {
    rmdirSync(folder);
  } catch {
    // Another folder has its name by now.
  }
}

/** Renames a finished folder. @param at how its new name is reached */
export function nameFolder(half: string, folder: string, at: string): void {
  sync(half);
  try {
    renameSync(half, at);
  } catch (error) {
    if (errnoOf(error) === "ENOTEMPTY" || errnoOf(error) === "EEXIST")
      throw existsFailure(folder);
    throw outputFailure(folder, error);
  }
  sync(dirname(at));
}

export const existsFailure = (path: string) =>
  fail.usage(`'${path}' exists already`, "give another name");

/** @throws Failure when nothing can be written there */
export function requireFolder(path: string): void {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    if (statSync(path).isDirectory()) return;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw outputFailure(path, error);
  }
  throw outputFailure(`${path}/file`, { code: "ENOENT" });
}

/** @throws Failure that names the path, for any error of `work` */
export function placing<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw outputFailure(path, error);
  }
}
