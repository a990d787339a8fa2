/**
 * Who reports a spool's sessions, where this host signs its tokens itself: as it
 * was called when it first did. Under the name that it has got since they would be
 * another's, and the ends of those that were open be rejected.
 */
import { closeSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isClaim, ownSubject } from "../auth/token.ts";
import { openOwn } from "./folder.ts";

/**
 * The subject of this host's own tokens.
 * @param folder this machine's spool folder
 */
export function subjectOf(folder: string): string {
  const kept = keptIn(folder);
  if (kept !== null) return kept;
  const subject = ownSubject();
  try {
    const whole = `${folder}/subject.${process.pid}.new`;
    writeFileSync(whole, `${subject}\n`, { mode: 0o600, flag: "wx" });
    renameSync(whole, `${folder}/subject`);
  } catch {
    // Where nothing can be written nothing is recorded that would have to be told.
  }
  return subject;
}

function keptIn(folder: string): string | null {
  const fd = openOwn(folder, "subject", () => {});
  if (fd === null) return null;
  try {
    const text = readFileSync(fd, "utf8").trimEnd();
    return isClaim(text) ? text : null;
  } finally {
    closeSync(fd);
  }
}
