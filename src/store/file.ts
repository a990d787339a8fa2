/** The name of the database's file: whether it can have one, and how it gets it. */
import { linkSync, realpathSync, renameSync } from "node:fs";
import { basename, dirname } from "node:path";
import { Failure, errnoOf } from "../model/failure.ts";

/**
 * DuckDB reads options from a question mark on, and puts the log's suffix before
 * it: into another folder, when it is a folder that has the mark in its name.
 */
export function refuseQuestionMark(path: string): void {
  const real = `${realpathSync(dirname(path))}/${basename(path)}`;
  if (real.includes("?"))
    throw new Failure(
      "config",
      `'${real}' cannot be a database: DuckDB takes no question mark in a path`,
      "choose another path: SESSION_BUDDY_DB_PATH; what waits in the spool comes along",
    );
}

/** Gives a file its name, unless another has it by now. */
export function publish(half: string, path: string): void {
  try {
    linkSync(half, path);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return;
    // A filesystem without links.
    renameSync(half, path);
  }
}
