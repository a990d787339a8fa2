/** Files that are made by us, or expected to be regular ones. */
import { errnoOf } from "../model/failure.ts";
import {
  O_CREAT,
  O_NOFOLLOW,
  O_NONBLOCK,
  closeFile,
  irregular,
  openFile,
  setMode,
} from "./file.ts";
import { statOpen } from "./stat.ts";

/**
 * Opens a regular file, and nothing else that may stand in its place: not
 * through a link, and without waiting for a FIFO's other end. One that is made
 * has the mode that is asked for, whatever umask and default ACL say.
 * @throws Failure (permission) for what is no regular file; Error with `code`
 */
export function openRegular(path: string, flags: number, mode = 0o600): number {
  let fd: number;
  try {
    fd = openFile(path, flags | O_NOFOLLOW | O_NONBLOCK, mode);
  } catch (error) {
    // A FIFO that nobody reads, a socket, or a folder that is to be written.
    const another = ["ENXIO", "EISDIR"].includes(errnoOf(error) ?? "");
    throw another ? irregular(path) : error;
  }
  try {
    const stat = statOpen(fd);
    if (stat.kind !== "file") throw irregular(path);
    const made = (flags & O_CREAT) !== 0 && stat.uid === process.geteuid!();
    if (made && stat.mode !== mode) setMode(fd, mode);
    return fd;
  } catch (error) {
    closeFile(fd);
    throw error;
  }
}
