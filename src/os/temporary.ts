/**
 * Folders for what is gone soon. $TMPDIR may be another user's, as `su` without
 * `-` leaves it: he could exchange what is made there.
 */
import { tmpdir } from "node:os";
import { Failure } from "../model/failure.ts";
import { trustedPath } from "./trust.ts";

/**
 * Those in which nobody else can exchange what is ours, $TMPDIR first.
 * @returns without links, and each but once
 */
export function temporaryFolders(): string[] {
  const found = new Set<string>();
  for (const folder of [tmpdir(), "/var/tmp", "/tmp"])
    try {
      const { path, stat } = trustedPath(folder);
      if (stat?.kind === "folder") found.add(path);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      // Another's: the next one.
    }
  return [...found];
}

/** The best of them. @throws Failure (permission) when there is none */
export function temporaryFolder(): string {
  const [first] = temporaryFolders();
  if (first !== undefined) return first;
  throw new Failure(
    "permission",
    "there is no temporary folder in which nobody else can exchange what is made",
    "set TMPDIR to a folder that only you can write to",
  );
}
