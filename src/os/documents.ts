/** Small texts as files of one folder; each has one writer, and is replaced whole. */
import { rmSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import type { Documents, Unreadable } from "../model/documents.ts";
import { errnoOf, reasonOf } from "../model/failure.ts";
import {
  O_CREAT,
  O_NOFOLLOW,
  O_TRUNC,
  O_WRONLY,
  isMissing,
  namesIn,
  readText,
} from "./file.ts";
import { ensurePrivateDir } from "./paths.ts";
import { trustedPath } from "./trust.ts";

/** Of one among many, and of one alone. */
const MAX_BYTES = 256 * 1024;
const MAX_ALONE_BYTES = 64 * 1024 * 1024;

export class FileDocuments implements Documents {
  /** @param place the path of their folder */
  constructor(readonly place: string) {}

  make(): void {
    ensurePrivateDir(this.place);
  }

  async all(
    chosen: (name: string) => boolean,
    unreadable: Unreadable,
  ): Promise<ReadonlyMap<string, string>> {
    const texts = new Map<string, string>();
    if (isMissing(this.place)) return texts;
    trustedPath(this.place, "leaf");
    for (const name of namesIn(this.place).filter(chosen))
      try {
        texts.set(name, readText(this.pathOf(name), MAX_BYTES));
      } catch (error) {
        // One that was removed meanwhile.
        if (errnoOf(error) !== "ENOENT") unreadable(name, reasonOf(error));
      }
    return texts;
  }

  async read(name: string): Promise<string | null> {
    const path = this.pathOf(name);
    return isMissing(path) ? null : readText(path, MAX_ALONE_BYTES);
  }

  async write(name: string, text: string): Promise<void> {
    const made = this.pathOf(`.${name}.${process.pid}`);
    const flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
    const file = await open(made, flags, 0o600);
    try {
      await file.writeFile(text);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(made, this.pathOf(name));
  }

  async remove(name: string): Promise<void> {
    rmSync(this.pathOf(name), { force: true });
  }

  private pathOf(name: string): string {
    return `${this.place}/${name}`;
  }
}
