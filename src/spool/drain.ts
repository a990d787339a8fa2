/**
 * Moves events from the spool to a store, and closes sessions whose wrapper is
 * gone. A file leaves in two steps: renamed to `done/` once every line is
 * committed, and unlinked by a later pass that has read it again.
 */
import { closeSync } from "node:fs";
import type { Clock } from "../model/clock.ts";
import { errnoOf } from "../model/failure.ts";
import { folderFailure } from "../os/paths.ts";
import { isSpoolFile, listFolder } from "./folder.ts";
import { countSpool } from "./quota.ts";
import { foreignFolders } from "./foreign-folders.ts";
import { type Known, Pass, type PassOptions } from "./pass.ts";
import type { Position } from "./read.ts";
import { type DrainReport, type DrainTarget, emptyReport } from "./report.ts";
import { busySentence, sayBegun, takeTurn } from "./drain-lock.ts";
import { ensureSpool, spoolFolder } from "./write.ts";

/** How often one that drains on and on looks for folders of other machine ids. */
const FOREIGN_MS = 10_000;
/** As it is when nobody has configured another. */
const HEARTBEAT_MS = 30_000;
/** How often one that drains on and on counts what is left. */
const COUNT_MS = 10_000;

/** Passes over this machine's spool, into one store. */
export class Drain {
  /** Files that the last pass left as they are; none after one that failed. */
  private known: ReadonlyMap<string, Known> = new Map();
  /** Up to where files that are done were read by us, see `restingKey`. */
  private resting = new Map<string, Position>();
  private counted = -Infinity;
  private looked = -Infinity;

  /**
   * @param data the data folder
   * @param heartbeat_ms see Look
   */
  constructor(
    private readonly data: string,
    private readonly store: DrainTarget,
    private readonly now: Clock,
    private readonly heartbeat_ms = HEARTBEAT_MS,
  ) {}

  async pass(): Promise<DrainReport> {
    const report = emptyReport();
    const folder = spoolFolder(this.data);
    const lock = await takeTurn(folder);
    if (lock === "elsewhere") return { ...report, passed: false };
    if (lock === "busy")
      return { ...report, passed: false, busy: busySentence(folder) };
    if (lock === "no spool") {
      await this.adoptKnown(folder, report);
      return report;
    }
    const { known, resting, now, heartbeat_ms } = this;
    this.known = new Map();
    this.resting = new Map();
    try {
      sayBegun(lock, now());
      const { store } = this;
      const before = { known, resting };
      const done = `${folder}/done`;
      const options = { folder, done, store, now, report, before };
      const pass = new Pass({ ...options, adopt: false, heartbeat_ms });
      await pass.run();
      await this.adoptKnown(folder, report);
      this.known = pass.unchanged;
      this.resting = resting;
    } catch (error) {
      throw passFailure(folder, error);
    } finally {
      await this.count(folder);
      closeSync(lock);
    }
    return report;
  }

  /** Folders of other machine ids of which all is known to be this host's. */
  private async adoptKnown(own: string, report: DrainReport): Promise<void> {
    const { data, store, now, heartbeat_ms } = this;
    if (performance.now() - this.looked < FOREIGN_MS) return;
    this.looked = performance.now();
    for (const { folder, known } of foreignFolders(data, now(), heartbeat_ms))
      if (known)
        await takeIn({
          ...{ folder, own, store, now, report, heartbeat_ms },
          adopt: false,
        });
  }

  /** What is left; a full disk cannot be told how full the spool is. */
  private async count(folder: string): Promise<void> {
    if (performance.now() - this.counted < COUNT_MS) return;
    this.counted = performance.now();
    await countSpool(folder, this.now).catch(() => {});
  }
}

/**
 * Takes in all folders of other machine ids: a person says that whoever wrote
 * to them runs no more. Files that somebody holds locked are left all the same.
 */
export async function adoptAll(
  data: string,
  store: DrainTarget,
  now: Clock,
  heartbeat_ms = HEARTBEAT_MS,
): Promise<DrainReport> {
  const report = emptyReport();
  const own = ensureSpool(data);
  for (const { folder, closed } of foreignFolders(data, now(), heartbeat_ms))
    // One that is closed to us is told of.
    if (closed === null)
      await takeIn({
        ...{ folder, own, store, now, report, heartbeat_ms },
        adopt: true,
      });
  return report;
}

/** One pass over another folder, whose files rest in ours when they are done. */
async function takeIn({
  own,
  ...options
}: Omit<PassOptions, "before" | "done"> & { own: string }): Promise<void> {
  const { folder, report, adopt } = options;
  // A person waits for its turn; a pass holds its own folder's meanwhile.
  const lock = await takeTurn(folder, adopt);
  if (typeof lock === "string") return;
  try {
    const before = { known: new Map(), resting: new Map() };
    const files = listFolder(folder).filter(isSpoolFile);
    await new Pass({ ...options, before, done: `${own}/done` }).run();
    // What runs on there, or is locked, stays.
    const left = new Set(listFolder(folder));
    if (files.some((name) => !left.has(name))) report.adopted.push(folder);
  } catch (error) {
    throw passFailure(folder, error);
  } finally {
    closeSync(lock);
  }
}

/** Names what stands in the way: it may be in the place of done/ or quarantine/. */
function passFailure(folder: string, error: unknown): unknown {
  if (!errnoOf(error)) return error;
  const { path } = error as { path?: string };
  return folderFailure(path ?? folder, error);
}

/** A single pass, see Drain. */
export function drain(
  data: string,
  store: DrainTarget,
  now: Clock,
  heartbeat_ms?: number,
): Promise<DrainReport> {
  return new Drain(data, store, now, heartbeat_ms).pass();
}
