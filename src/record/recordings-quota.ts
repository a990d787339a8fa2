/**
 * How large all recordings of a data folder may become together
 * (`recordings.max_bytes`), however many sessions are recorded at once.
 *
 * A recording that goes on has the lock of its file. It grows by slices: each is asked
 * for under the lock of the folder, and one that goes on counts up to the end of its
 * slice; so no two take the same room.
 */
import { RECORDING_SUFFIX } from "../model/recording/place.ts";
import {
  O_RDONLY,
  closeFile,
  lockFile,
  namesIn,
  openFile,
  isLocked,
} from "../os/file.ts";
import { statFile } from "../os/stat.ts";

/** Recordings, and what is there of those that are on their way to us. */
const COUNTED = [RECORDING_SUFFIX, ".part"];
const LARGEST_SLICE = 256 * 1024;
const SLICES = 64;
/** After "no" nobody looks again at once: it is a look at each recording. */
const LOOK_MS = 2_000;
/** Who has the folder's lock, or looks whether a recording is locked, has it for a moment. */
const TRIES = 20;
const TRY_MS = 5;

/** How large a recording may become, and all of them together. */
export interface Limits {
  session_bytes: number;
  max_bytes: number;
  /** Removes old recordings, as far as may be, until all have so many bytes. */
  leave(bytes: number): void;
}

export class RecordingsQuota {
  private readonly slice: number;
  /** Up to there the file may grow. */
  private granted = 0;
  private look_again_ms = 0;
  /** How large those are that are over. */
  private readonly over = new Map<string, number>();

  /**
   * @param own the name of the recording that asks
   * @param sleep waits so many milliseconds
   */
  constructor(
    private readonly folder: string,
    private readonly own: string,
    private readonly limits: Limits,
    private readonly sleep: (ms: number) => void,
  ) {
    const share = Math.floor(limits.max_bytes / SLICES);
    this.slice = Math.min(LARGEST_SLICE, Math.max(4096, share));
  }

  /**
   * Writes what makes the file so large, if it may be.
   * @returns false when it may not: nothing was written
   * @throws what `write` throws
   */
  within(bytes: number, write: () => void): boolean {
    if (bytes > this.granted && performance.now() < this.look_again_ms)
      return false;
    if (bytes <= this.granted) {
      write();
      return true;
    }
    const fd = openFile(this.folder, O_RDONLY);
    try {
      this.lock(fd);
      const wanted = this.whole(bytes);
      if (!this.hasRoomFor(wanted)) {
        this.look_again_ms = performance.now() + LOOK_MS;
        return false;
      }
      // Under the lock: whoever looks next sees where we are.
      write();
      this.granted = wanted;
      return true;
    } finally {
      closeFile(fd);
    }
  }

  private hasRoomFor(wanted: number): boolean {
    const { max_bytes, leave } = this.limits;
    const { bytes, asked } = this.others();
    if (bytes + asked + wanted <= max_bytes) return true;
    leave(Math.max(0, max_bytes - wanted - asked));
    const left = this.others();
    return left.bytes + left.asked + wanted <= max_bytes;
  }

  /** Where there are no locks, or somebody stands still with it, all go on without. */
  lock(fd: number): void {
    for (let i = 0; i < TRIES && lockFile(fd) === "taken"; i++)
      this.sleep(TRY_MS);
  }

  private whole(bytes: number): number {
    return Math.ceil(bytes / this.slice) * this.slice;
  }

  /** What the others have, and what of their slices they have not used yet. */
  private others(): { bytes: number; asked: number } {
    let [sum, asked] = [0, 0];
    for (const name of namesIn(this.folder)) {
      if (name === this.own || !COUNTED.some((end) => name.endsWith(end)))
        continue;
      const path = `${this.folder}/${name}`;
      const bytes = statFile(path, { follow: false })?.bytes ?? 0;
      sum += bytes;
      if (this.over.get(name) === bytes) continue;
      if (this.goesOn(name)) asked += this.whole(bytes) - bytes;
      else this.over.set(name, bytes);
    }
    return { bytes: sum, asked };
  }

  private goesOn(name: string): boolean {
    try {
      return isLocked(`${this.folder}/${name}`);
    } catch {
      // It is gone, or none of ours.
      return false;
    }
  }
}
