/**
 * How much room the recordings of a server take, and what goes for others: see
 * access/kept-recordings.ts. What the disk keeps free for the database is none of theirs.
 */
import { rmSync, statSync, statfsSync } from "node:fs";
import {
  type KeptRecording,
  PART_SUFFIX,
  eachRecording,
  forgetGone,
  idsIn,
  oldestFirst,
  partPath,
  takenBytes,
} from "../access/kept-recordings.ts";
import {
  type RemovedRecording,
  makeRoom,
  removeOld,
} from "../access/removed-recordings.ts";
import type { Config } from "../config/load.ts";
import type { Log } from "../log/log.ts";
import type { Clock } from "../model/clock.ts";
import { Overloaded, reasonOf } from "../model/failure.ts";
import { nextTurn } from "../os/turns.ts";
import type { RecordingFigures } from "./http/metrics.ts";

/** How often old ones are looked for. */
const TICK_MS = 60_000;
const FIRST_TICK_MS = 500;
const LOOKED_AT_ONCE = 128;
/** Part of `max_bytes` that is made free beside what is needed. */
const MORE_ROOM = 64;
/** A part that nobody went on with for so long goes. */
const PART_MS = 86_400_000;
/** What the disk keeps free, whatever is brought. */
const FLOOR_BYTES = 256 * 1024 * 1024;
const RETRY_MS = 60_000;

export class RecordingsRoom {
  /** What all take of the disk, as far as we know; null until it is counted. */
  private taken: number | null = null;
  private kept = { recordings: 0, bytes: 0 };
  private received = 0;
  private removed = 0;
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(
    private readonly data: string,
    private readonly limits: Config["recordings"],
    private readonly log: Log,
    private readonly now: Clock,
  ) {
    this.timer = setInterval(() => void this.tick(), TICK_MS);
    setTimeout(() => void this.tick(), FIRST_TICK_MS).unref();
  }

  close(): void {
    clearInterval(this.timer);
  }

  /** As of the last minute; what we did ourselves is in it. */
  figures(): RecordingFigures {
    const { kept, received, removed } = this;
    return { ...kept, received, removed };
  }

  /** So many bytes of one were written. */
  wrote(bytes: number): void {
    if (this.taken !== null) this.taken += bytes;
  }

  /** One is whole. */
  tookIn(bytes: number): void {
    this.received++;
    this.kept.recordings++;
    this.kept.bytes += bytes;
  }

  /** @throws Failure (overloaded) when there is none, and none can be made */
  require(bytes: number): void {
    const { bavail, bsize } = statfsSync(this.data);
    if (bavail * bsize < FLOOR_BYTES + bytes) throw noRoom();
    const { max_bytes } = this.limits;
    const most = max_bytes - bytes;
    this.taken ??= takenBytes(this.data);
    if (this.taken <= most) return;
    // A little more than is needed: it is a look at all of them.
    const room = most - Math.floor(max_bytes / MORE_ROOM);
    this.told(makeRoom(this.data, room, this.now()));
    this.taken = takenBytes(this.data);
    if (this.taken > most) throw noRoom();
  }

  private async tick(): Promise<void> {
    const { data, limits } = this;
    try {
      const now = this.now();
      const all = await this.list();
      const old = removeOld(data, limits.keep_ms, now, all);
      const rest = without(all, old);
      const most = makeRoom(data, limits.max_bytes, now, rest);
      const kept = without(rest, most);
      const bytes = kept.reduce((sum, one) => sum + one.bytes, 0);
      this.told([...old, ...most]);
      forgetGone(data);
      this.kept = { recordings: kept.length, bytes };
      this.taken = takenBytes(data, kept);
      for (const session_id of idsIn(data, PART_SUFFIX)) {
        const path = partPath(data, session_id);
        const stat = statSync(path, { throwIfNoEntry: false });
        if (stat && now - stat.mtimeMs > PART_MS) rmSync(path, { force: true });
      }
    } catch (error) {
      this.log.warn("recordings_not_tidied", { reason: reasonOf(error) });
    }
  }

  /** Oldest first; others are answered meanwhile. */
  private async list(): Promise<KeptRecording[]> {
    const all: KeptRecording[] = [];
    for (const one of eachRecording(this.data))
      if (all.push(one) % LOOKED_AT_ONCE === 0) await nextTurn();
    return oldestFirst(all);
  }

  private told(removed: readonly RemovedRecording[]): void {
    this.removed += removed.length;
    this.kept.recordings -= removed.length;
    for (const { session_id, bytes, why } of removed) {
      this.kept.bytes -= bytes;
      this.log.warn("recording_removed", { session_id, bytes, why });
    }
  }
}

const without = (
  all: readonly KeptRecording[],
  gone: readonly RemovedRecording[],
): readonly KeptRecording[] => {
  if (gone.length === 0) return all;
  const ids = new Set(gone.map(({ session_id }) => session_id));
  return all.filter(({ session_id }) => !ids.has(session_id));
};

export const noRoom = () =>
  new Overloaded("there is no room for recordings just now", RETRY_MS);
