/** The folder of an export, open: its manifest, and its parts. */
import { createHash } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
  fsyncSync,
} from "node:fs";
import { errnoOf, fail, reasonOf } from "../model/failure.ts";
import {
  type ExportFormat,
  KIND,
  MANIFEST_FILE,
  type Manifest,
  type Part,
  parseManifest,
  partName,
} from "../model/export.ts";
import { sync } from "../os/copy.ts";
import { openRegular, O_RDONLY, lockFile, readOpen } from "../os/file.ts";
import { outputFailure } from "../os/place.ts";
import { readFailure } from "../os/paths.ts";
import { OpenFolder } from "../os/scratch.ts";
import { absolutePath } from "../os/spot.ts";
import { statFile } from "../os/stat.ts";
import { trustedPath } from "../os/trust.ts";

const CHUNK_BYTES = 1 << 20;

export class ExportFolder extends OpenFolder {
  private constructor(path: string) {
    super(path);
  }

  /**
   * @param make makes the folder where there is none
   * @throws Failure naming the folder, and what is wrong with it
   */
  static open(given: string, make: boolean): ExportFolder {
    const wanted = absolutePath(given);
    if (make)
      try {
        mkdirSync(wanted, { mode: 0o700 });
      } catch (error) {
        if (errnoOf(error) !== "EEXIST") throw outputFailure(wanted, error);
      }
    const stat = statFile(wanted, { follow: false });
    if (stat?.kind === "link")
      throw fail.permission(`'${given}' is a link`, "name the folder itself");
    if (stat?.kind !== "folder")
      throw fail.not_found(
        `there is no folder '${given}'`,
        "give the folder of an export",
      );
    const { path } = trustedPath(wanted);
    if (stat.uid !== process.geteuid!() || (stat.mode & 0o077) !== 0)
      throw fail.permission(
        `'${given}' is not yours alone`,
        `an export is private: chown it to you, and chmod 700 '${given}'`,
      );
    return new ExportFolder(path);
  }

  /** @throws Failure (timeout) when another process has it */
  lock(): void {
    if (lockFile(this.fd) === "taken")
      throw fail.timeout(
        `another export writes to '${this.path}'`,
        "wait for its end",
      );
  }

  /** @returns null when there is none */
  manifest(): Manifest | null {
    const bytes = this.read(MANIFEST_FILE);
    if (bytes === null) return null;
    try {
      return parseManifest(
        new TextDecoder("utf-8", { fatal: true }).decode(bytes),
      );
    } catch (error) {
      throw fail.refused(
        `'${this.path}/${MANIFEST_FILE}' cannot be read: ${reasonOf(error)}`,
        "give the folder of an export",
      );
    }
  }

  private read(name: string): Uint8Array | null {
    let fd: number;
    try {
      fd = this.openFile(name);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return null;
      throw error;
    }
    try {
      return readOpen(fd, name, 64 * 1024 * 1024);
    } finally {
      closeSync(fd);
    }
  }

  /** A regular file of the folder, no link. @throws Failure; Error with `code` ENOENT */
  openFile(name: string): number {
    const path = this.at(name);
    const stat = statFile(path, { follow: false });
    if (stat?.kind === "link")
      throw fail.refused(
        `'${this.path}/${name}' is a link`,
        "an export has none: make it anew",
      );
    try {
      return openRegular(path, O_RDONLY);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") throw error;
      throw readFailure(`${this.path}/${name}`, error);
    }
  }

  /** @throws Failure when a part is not what the manifest says */
  verify(part: Part): void {
    let fd: number;
    try {
      fd = this.openFile(part.file);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
      throw this.differs(part, "is missing");
    }
    try {
      const { bytes, sha256 } = sumOf(fd);
      if (bytes !== part.bytes || sha256 !== part.sha256)
        throw this.differs(part, "is not what was written");
    } finally {
      closeSync(fd);
    }
  }

  private differs({ file }: Part, what: string) {
    return fail.refused(
      `'${this.path}/${file}' ${what}`,
      "give another folder, or a whole copy of this one",
    );
  }

  /** Gives a file that was made under another name its own, and says what it is. */
  publish(
    made: string,
    {
      number,
      format,
      ...more
    }: { number: number; format: ExportFormat } & Pick<
      Part,
      "events" | "first_seq" | "last_seq" | "last_event_id"
    >,
  ): Part {
    const file = partName(number, format);
    const fd = openSync(this.at(made), "r");
    try {
      fsyncSync(fd);
      const part = { file, ...more, ...sumOf(fd) };
      renameSync(this.at(made), this.at(file));
      return part;
    } finally {
      closeSync(fd);
    }
  }

  /** Replaced whole: a folder is as its manifest says. */
  write(format: ExportFormat, parts: readonly Part[]): void {
    const manifest = { kind: KIND, version: 1, format, parts };
    const half = this.at(`${MANIFEST_FILE}.new`);
    rmSync(half, { force: true });
    const fd = openSync(half, "wx", 0o600);
    try {
      const bytes = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
      for (let at = 0; at < bytes.length;)
        at += writeSync(fd, bytes, at, bytes.length - at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(half, this.at(MANIFEST_FILE));
    sync(this.at("."));
  }
}

function sumOf(fd: number): { bytes: number; sha256: string } {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK_BYTES);
  let bytes = 0;
  for (;;) {
    const got = readSync(fd, chunk, 0, chunk.length, bytes);
    if (got === 0) return { bytes, sha256: hash.digest("hex") };
    hash.update(chunk.subarray(0, got));
    bytes += got;
  }
}
