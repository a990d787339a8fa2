/**
 * Writes to standard output, or to what --output names, in full and in order. A reader
 * that goes away (`| head -1`) ends the writing, not with an error.
 */
import { closeSync, writeSync } from "node:fs";
import { OutputClosed, errnoOf, reasonOf, fail } from "../model/failure.ts";
import { endAs, cLibrary } from "./libc.ts";
import {
  type FilePlace,
  NewFile,
  openStream,
  outputFailure,
  placeOf,
  putInPlace,
} from "./place.ts";
import { temporaryFolder } from "./scratch.ts";
import { SIGNALS } from "./signals.ts";

const BUFFER_BYTES = 64 * 1024;

export class Output {
  private pending = "";

  /**
   * @param fd an open descriptor; standard output when left out
   * @param name of what it writes to, in sentences
   */
  constructor(
    private readonly fd = 1,
    private readonly name = "the output",
  ) {}

  /** @throws OutputClosed */
  write(text: string): void {
    this.pending += text;
    if (this.pending.length >= BUFFER_BYTES) this.flush();
  }

  /** @throws OutputClosed */
  flush(): void {
    const bytes = Buffer.from(this.pending);
    this.pending = "";
    this.writeBytes(bytes);
  }

  /** At once, after what was flushed. @throws OutputClosed */
  writeBytes(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;)
      try {
        at += writeSync(this.fd, bytes, at, bytes.length - at);
      } catch (error) {
        if (errnoOf(error) === "EPIPE") throw new OutputClosed();
        if (errnoOf(error) !== "EAGAIN")
          throw fail.storage(
            `${this.name} cannot be written: ${reasonOf(error)}`,
            "what was written so far is not whole; check where it goes to",
            { cause: error },
          );
        // A pipe that somebody made non-blocking is full.
        Bun.sleepSync(1);
      }
  }
}

/**
 * Writes to what stands at a path, or will: see place.ts. A file holds the new
 * content whole, or the old one.
 * @param given as it was typed
 * @param requireFree throws for a file that is not to be replaced
 * @throws Failure when it cannot be written; nothing is left behind then
 */
export async function writeOutput(
  given: string,
  requireFree: (path: string) => void,
  write: (output: Output) => Promise<void>,
): Promise<void> {
  using place = placeOf(given);
  requireFree(place.path);
  if (place.kind === "file") return await writeWhole(place, write, requireFree);
  const { fd, own } = openStream(place);
  try {
    await writeAll(new Output(fd, `'${given}'`), write);
  } finally {
    if (own) closeSync(fd);
  }
}

async function writeAll(
  output: Output,
  write: (output: Output) => Promise<void>,
): Promise<void> {
  await write(output);
  output.flush();
}

async function writeWhole(
  place: FilePlace,
  write: (output: Output) => Promise<void>,
  requireFree: (path: string) => void,
): Promise<void> {
  using made = makeNewFile(place);
  const stay = goneOnSignal(made);
  try {
    const fd = made.create();
    try {
      await writeAll(new Output(fd, `'${place.path}'`), write);
    } finally {
      closeSync(fd);
    }
    // Somebody may lead it elsewhere by now.
    requireFree(place.path);
    putInPlace(made, place);
  } finally {
    stay();
  }
}

/** Beside the place; where only the file itself is ours to write, elsewhere. */
function makeNewFile({ path, at, old }: FilePlace): NewFile {
  try {
    return new NewFile(path, at);
  } catch (error) {
    if (old === null || !REFUSED.has(errnoOf(error) ?? ""))
      throw outputFailure(path, error);
    return new NewFile(`${temporaryFolder()}/any`);
  }
}

const REFUSED: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS"]);

/** @returns call it when it may stay, or is gone */
export function goneOnSignal(made: Disposable): () => void {
  const signals = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name) => {
    const end = () => {
      made[Symbol.dispose]();
      endAs(null, SIGNALS[name]);
    };
    process.once(name, end);
    return () => process.removeListener(name, end);
  });
  return () => signals.forEach((forget) => forget());
}

const SYMBOLS = {
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
} as const;
const TIOCGWINSZ = 0x5413;

/** How many columns a terminal has now; null where it does not say. */
export function terminalWidth(fd: number): number | null {
  const c = cLibrary(SYMBOLS);
  // The runtime's own stream makes the terminal non-blocking for everybody.
  if (!c) return null;
  // struct winsize: rows, columns, and two in pixels.
  const size = new Uint16Array(4);
  return c.ioctl(fd, TIOCGWINSZ, size) === 0 ? size[1]! || null : null;
}
