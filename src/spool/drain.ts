/**
 * Drains the spool: moves its events to a store, and ends the sessions whose
 * wrapper is gone. A file goes in two steps: it is renamed to `done/` once every
 * line is committed, and removed by a later pass that has read it again.
 */
import { closeSync } from "node:fs";
import type { Clock } from "../model/clock.ts";
import { errnoOf } from "../model/failure.ts";
import { folderFailure } from "../os/paths.ts";
import type { FileFacts } from "./file-facts.ts";
import { isSpoolFile, listFolder } from "./folder.ts";
import { countSpool } from "./quota.ts";
import { foreignFolders } from "./foreign-folders.ts";
import { REST_MS } from "./batches.ts";
import { type Known, Pass, type PassOptions } from "./pass.ts";
import { type DrainReport, type DrainTarget, emptyReport } from "./report.ts";
import { busySentence, stampBegin, lockDrain } from "./drain-lock.ts";
import { ensureSpool, spoolFolder } from "./write.ts";

/** How often a server looks for folders of other machine ids. */
const FOREIGN_MS = 10_000;
/** How often a server counts what is left. */
const COUNT_MS = 10_000;

export interface DrainOptions {
  /** See Look. */
  heartbeat_ms?: number;
  /** How long what is done is kept, if longer than usual. */
  keep_done_ms?: number | null;
}

const passOptions = ({ heartbeat_ms, keep_done_ms }: DrainOptions) => ({
  heartbeat_ms: heartbeat_ms ?? 30_000,
  rest_ms: Math.max(REST_MS, keep_done_ms ?? 0),
});

/** Passes over this machine's spool, into one store. */
export class Drain {
  /** Files that the last pass left; none after one that failed. */
  private known: ReadonlyMap<string, Known> = new Map();
  /** What was read of files in done/, see `restingKey`. */
  private resting = new Map<string, FileFacts>();
  private counted = -Infinity;
  private looked = -Infinity;

  /**
   * @param data the data folder
   */
  constructor(
    private readonly data: string,
    private readonly store: DrainTarget,
    private readonly now: Clock,
    private readonly given: DrainOptions = {},
  ) {}

  async pass(): Promise<DrainReport> {
    const report = emptyReport();
    const folder = spoolFolder(this.data);
    const lock = await lockDrain(folder);
    if (lock === "elsewhere") return { ...report, passed: false };
    if (lock === "busy")
      return { ...report, passed: false, busy: busySentence(folder) };
    if (lock === "no spool") {
      await this.adoptOwn(folder, report);
      return report;
    }
    const { known, resting, now } = this;
    this.known = new Map();
    this.resting = new Map();
    try {
      stampBegin(lock, now());
      const { store } = this;
      // A store that has lost what it had acknowledged gets all of it again.
      const all = passOptions(this.given).rest_ms > REST_MS;
      const before = { known, resting: all ? new Map() : resting };
      const done = `${folder}/done`;
      const options = { folder, done, store, now, report, before };
      const given = passOptions(this.given);
      const pass = new Pass({ ...options, ...given, adopt: false });
      await pass.run();
      await this.adoptOwn(folder, report);
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

  /** Adopts the folders of other machine ids that are known to be this host's. */
  private async adoptOwn(own: string, report: DrainReport): Promise<void> {
    const { data, store, now } = this;
    const options = passOptions(this.given);
    if (performance.now() - this.looked < FOREIGN_MS) return;
    this.looked = performance.now();
    const { heartbeat_ms } = options;
    for (const { folder, known } of foreignFolders(data, now(), heartbeat_ms))
      if (known)
        await adoptFolder({
          ...{ ...options, folder, own, store, now, report, adopt: false },
        });
  }

  /** Counts what is left, unless the disk is too full to write that down. */
  private async count(folder: string): Promise<void> {
    if (performance.now() - this.counted < COUNT_MS) return;
    this.counted = performance.now();
    await countSpool(folder, this.now).catch(() => {});
  }
}

/**
 * Adopts all folders of other machine ids: the user says that their writers are
 * gone. Files that are locked are left all the same.
 */
export async function adoptAll(
  data: string,
  store: DrainTarget,
  now: Clock,
  given: DrainOptions = {},
): Promise<DrainReport> {
  const options = passOptions(given);
  const { heartbeat_ms } = options;
  const report = emptyReport();
  const own = ensureSpool(data);
  for (const { folder, closed } of foreignFolders(data, now(), heartbeat_ms))
    if (closed === null)
      await adoptFolder({
        ...{ ...options, folder, own, store, now, report, adopt: true },
      });
  return report;
}

/** One pass over another folder, whose files go to our done/. */
async function adoptFolder({
  own,
  ...options
}: Omit<PassOptions, "before" | "done"> & { own: string }): Promise<void> {
  const { folder, report, adopt } = options;
  // A pass holds the lock of its own folder meanwhile: it must not wait.
  const lock = await lockDrain(folder, adopt);
  if (typeof lock === "string") return;
  try {
    const before = { known: new Map(), resting: new Map() };
    const files = listFolder(folder).filter(isSpoolFile);
    await new Pass({ ...options, before, done: `${own}/done` }).run();
    const left = new Set(listFolder(folder));
    if (files.some((name) => !left.has(name))) report.adopted.push(folder);
  } catch (error) {
    throw passFailure(folder, error);
  } finally {
    closeSync(lock);
  }
}

/** Names the path that failed: it may be that of done/ or quarantine/. */
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
  options?: DrainOptions,
): Promise<DrainReport> {
  return new Drain(data, store, now, options).pass();
}
