/**
 * Moves events from the spool to a store, and closes sessions whose wrapper is
 * gone. A file leaves in two steps: renamed to `done/` once every line is
 * committed, and unlinked by a later pass that has read it again.
 */
import { closeSync } from "node:fs";
import { errnoOf } from "../model/failure.ts";
import { folderFailure } from "../os/paths.ts";
import { countSpool } from "./level.ts";
import { type DrainTarget, type Known, Pass } from "./pass.ts";
import { type DrainReport, emptyReport } from "./report.ts";
import { sayBegun, takeTurn } from "./turn.ts";
import { spoolFolder } from "./write.ts";

/** How often one that drains on and on counts what is left. */
const COUNT_MS = 10_000;

/** Passes over this machine's spool, into one store. */
export class Drain {
  /** Files that the last pass left as they are; none after one that failed. */
  private known: ReadonlyMap<string, Known> = new Map();
  /** Up to where files that are done were read by us, see `restingKey`. */
  private resting = new Map<string, number>();
  private counted = -Infinity;

  /** @param data the data folder */
  constructor(
    private readonly data: string,
    private readonly store: DrainTarget,
  ) {}

  /**
   * One pass.
   * @param now milliseconds since the epoch
   */
  async pass(now: number): Promise<DrainReport> {
    const report = emptyReport();
    const folder = spoolFolder(this.data);
    const lock = await takeTurn(folder);
    if (typeof lock === "string")
      return { ...report, passed: lock === "no spool" };
    const { known, resting } = this;
    this.known = new Map();
    this.resting = new Map();
    try {
      sayBegun(lock, now);
      const before = { known, resting };
      const pass = new Pass(folder, this.store, now, report, before);
      await pass.run();
      this.known = pass.unchanged;
      this.resting = resting;
    } catch (error) {
      throw errnoOf(error) ? folderFailure(folder, error) : error;
    } finally {
      await this.count(folder);
      closeSync(lock);
    }
    return report;
  }

  /** What is left; a full disk cannot be told how full the spool is. */
  private async count(folder: string): Promise<void> {
    if (performance.now() - this.counted < COUNT_MS) return;
    this.counted = performance.now();
    await countSpool(folder).catch(() => {});
  }
}

/** A single pass, see Drain. */
export function drain(
  data: string,
  store: DrainTarget,
  now: number,
): Promise<DrainReport> {
  return new Drain(data, store).pass(now);
}
