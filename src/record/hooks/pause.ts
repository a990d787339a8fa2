/**
 * A session whose commands are not recorded for now: a file beside its spool
 * file, which its hooks look for at each command.
 */
import {
  O_CREAT,
  O_NOFOLLOW,
  O_WRONLY,
  closeFile,
  isMissing,
  openFile,
} from "../../os/file.ts";
import { removeFile } from "../../os/memory-folder.ts";

export const pausePath = (spool: string, session_id: string): string =>
  `${spool}/${session_id}.paused`;

/** @throws Error with `code` */
export function pause(spool: string, session_id: string): void {
  const flags = O_WRONLY | O_CREAT | O_NOFOLLOW;
  closeFile(openFile(pausePath(spool, session_id), flags, 0o600));
}

/** @returns false when it was not paused */
export function removePause(spool: string, session_id: string): boolean {
  const path = pausePath(spool, session_id);
  if (isMissing(path)) return false;
  removeFile(path);
  return true;
}
