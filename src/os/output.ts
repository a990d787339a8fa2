/**
 * Standard output, written in full and in order. A reader that goes away
 * (`| head -1`) ends the writing, not with an error.
 */
import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { Failure, OutputClosed, errnoOf, reasonOf } from "../model/failure.ts";
import { folderFailure } from "./paths.ts";

const BUFFER_BYTES = 64 * 1024;

export class Output {
  private pending = "";

  /** @param fd an open descriptor; standard output when left out */
  constructor(private readonly fd = 1) {}

  /** @throws OutputClosed */
  write(text: string): void {
    this.pending += text;
    if (this.pending.length >= BUFFER_BYTES) this.flush();
  }

  /** @throws OutputClosed */
  flush(): void {
    const bytes = Buffer.from(this.pending);
    this.pending = "";
    for (let at = 0; at < bytes.length;)
      try {
        at += writeSync(this.fd, bytes, at, bytes.length - at);
      } catch (error) {
        if (errnoOf(error) === "EPIPE") throw new OutputClosed();
        if (errnoOf(error) !== "EAGAIN")
          throw new Failure(
            "storage",
            `the output cannot be written: ${reasonOf(error)}`,
            "what was written so far is not whole; check where it goes to",
            { cause: error },
          );
        // A pipe that somebody made non-blocking is full.
        Bun.sleepSync(1);
      }
  }
}

/**
 * A file that appears whole or not at all, in the place of one of that name.
 * @throws Failure when it cannot be written; nothing is left behind then
 */
export async function writeFileWhole(
  path: string,
  write: (output: Output) => Promise<void>,
): Promise<void> {
  const half = `${path}.${process.pid}.new`;
  try {
    const fd = openSync(half, "wx", 0o600);
    try {
      const output = new Output(fd);
      await write(output);
      output.flush();
    } finally {
      closeSync(fd);
    }
    renameSync(half, path);
  } catch (error) {
    rmSync(half, { force: true });
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "EISDIR")
      throw new Failure(
        "usage",
        `'${path}' cannot be written: ${reasonOf(error)}`,
        "give a file in a folder that exists",
        { cause: error },
      );
    throw errnoOf(error) ? folderFailure(path, error) : error;
  }
}
