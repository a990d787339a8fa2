/**
 * Standard output, written in full and in order. A reader that goes away
 * (`| head -1`) ends the writing, not with an error.
 */
import { writeSync } from "node:fs";
import { Failure, OutputClosed, errnoOf, reasonOf } from "../model/failure.ts";

const BUFFER_BYTES = 64 * 1024;

export class Output {
  private pending = "";

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
        at += writeSync(1, bytes, at, bytes.length - at);
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
