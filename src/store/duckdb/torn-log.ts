/**
 * Opens a database that a crash may have left with a write-ahead log that is not
 * whole: what can be read of it is kept, and the rest is set aside and told of.
 */
import { renameSync } from "node:fs";
import { type Warn, reasonOf } from "../../model/failure.ts";
import { libc } from "../../os/libc.ts";
import { isCircumstance } from "./failure.ts";
import { cutLog, keepLog, leftOutSentence, tornLog } from "./wal.ts";

/** An open file. */
interface Opened {
  /** Moves the log into the file; lets go of both when that fails. */
  checkpointOrDisconnect(): Promise<void>;
  disconnect(): void;
}

/** @param warn hears of what had to be left out */
export async function openMended<T extends Opened>(
  path: string,
  connect: () => Promise<T>,
  warn: Warn,
): Promise<T> {
  // Without locks another may be writing it.
  const torn = libc ? tornLog(path) : null;
  if (!torn) return connect();
  const asItIs = torn.headless ? null : await despite(connect);
  const kept = keepLog(path, torn, () => asItIs?.disconnect());
  const said = () => warn(leftOutSentence(path, torn, kept));
  if (asItIs && torn.whole_bytes > 0) {
    // Until then the rest stays where it is, to be met again.
    await asItIs.checkpointOrDisconnect();
    said();
    return asItIs;
  }
  asItIs?.disconnect();
  cutLog(path, torn);
  try {
    const db = await connect();
    said();
    return db;
  } catch (error) {
    // It is the file that is damaged: its log stays as it was.
    renameSync(kept, `${path}.wal`);
    throw error;
  }
}

/**
 * Opens a file with a log that is not whole: DuckDB passes over some of that,
 * and knows whether another program has the file open.
 * @returns null when it stumbles over the log, in whatever words
 */
async function despite<T>(connect: () => Promise<T>): Promise<T | null> {
  try {
    return await connect();
  } catch (error) {
    if (isCircumstance(reasonOf(error))) throw error;
    return null;
  }
}
