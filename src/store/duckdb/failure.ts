/** DuckDB's errors as failures that say what to do. */
import { Failure, fail, reasonOf } from "../../model/failure.ts";

export function newerSchema(
  path: string,
  have: number,
  known: number,
): Failure {
  return fail.storage(
    `'${path}' has schema version ${have}, this session-buddy knows ${known}`,
    "use the newer session-buddy that wrote it, events wait in the spool",
  );
}

/** An unknown error keeps DuckDB's own words. */
export function storeFailure(path: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const text = error instanceof Error ? error.message : String(error);
  const make = (...args: ConstructorParameters<typeof Failure>) =>
    new Failure(args[0], args[1], args[2], { cause: error });
  const holder = /Conflicting lock is held in (.*?) \(PID (\d+)\)/.exec(text);
  if (holder)
    return make(
      "timeout",
      `'${path}' is open in ${holder[1]} (pid ${holder[2]})`,
      "close it there, events wait in the spool",
    );
  if (/^INTERRUPT/.test(text))
    return make(
      "unreachable",
      `the work on '${path}' was interrupted`,
      "nothing of it is left; do it again once the server has stopped",
    );
  // A query is let have so much, and whoever comes then has it, too.
  if (/Out of Memory|bad_alloc/i.test(text))
    return make(
      "overloaded",
      `there is not enough memory for '${path}' just now`,
      "try again, events wait in the spool",
    );
  if (/No space left|disk is full|failed to allocate.*disk/i.test(text))
    return make(
      "storage",
      `the disk of '${path}' is full`,
      "free some space and try again, events wait in the spool",
    );
  if (/Permission denied|Read-only file system|read-only/i.test(text))
    return make(
      "permission",
      `'${path}' cannot be opened for writing`,
      "check the owner and the permissions of the file and its folder",
    );
  if (/newer|version number|storage version/i.test(text))
    return make(
      "storage",
      `'${path}' was written by a newer DuckDB: ${reasonOf(error)}`,
      "use the newer session-buddy that wrote it, events wait in the spool",
    );
  if (isDamage(text))
    return make(
      "storage",
      `'${path}' is damaged: ${reasonOf(error)}`,
      "restore a backup: session-buddy restore FILE; it reads again what the spool still has",
    );
  return make(
    "storage",
    `'${path}' cannot be used: ${reasonOf(error)}`,
    "check the disk, events wait in the spool",
  );
}

/** Whether an error says that a file is damaged. */
const isDamage = (text: string): boolean =>
  /not a valid DuckDB|corrupt|checksum|Could not read enough|Failed to load|Serialization/i.test(
    text,
  );

/** Whether an error is not about the content of the file. */
export const isCircumstance = (text: string): boolean =>
  /Conflicting lock|Could not set lock|No space left|disk is full|quota exceeded|Permission denied|not permitted|Read-only|Too many open files|Input\/output error/i.test(
    text,
  );

/** Whether DuckDB has given up the open file. */
export const isFatal = (error: unknown): boolean =>
  /^FATAL Error|database has been invalidated/.test(reasonOf(error));
