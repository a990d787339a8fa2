/**
 * Measures what a program and its descendants use. /proc is looked at while they run,
 * as often as there are heartbeats while anything changes; in the end the kernel tells of all that was waited
 * for. The last look is written down now and then: it is what is left when the wrapper
 * is killed.
 */
import { type JsonObject, RESOURCE_USAGE } from "../model/event.ts";
import { ProcessTree, type Split, peakOf } from "../os/process-tree.ts";
import type { Ended, Run } from "./outcome.ts";

/** The first look: a child that lives so long has had its start. */
const FIRST_MS = 100;
/** While nothing changes, looks are so many heartbeats apart at most. */
const CALMEST = 8;
/** Looks take at most this part of the time. */
const SHARE = 1 / 100;
/** A session writes down what has changed when it is so much older than the last time, or so long after. */
const OLDER = 1 / 4;
const LONGEST_MS = 3_600_000;

/** What CPUs have counted for themselves, the kernel's sum may leave out. */
const UNCOUNTED = 1 << 20;

export class Resources {
  private tree: ProcessTree | null = null;
  private began_ns = 0;
  /** A child's peak begins with what our image had at the spawn. */
  private floor_bytes = Infinity;
  private ending: Split | null = null;
  private ended = false;
  /** So many heartbeats are between two looks. */
  private calm = 1;
  private seen = "";
  private written = "";
  private written_ms = 0;

  /** @param write hears of what was measured so far */
  constructor(
    private readonly of: { heartbeat_ms: number },
    private readonly run: Pick<Run, "after">,
    private readonly write: (measured: JsonObject) => void,
  ) {}

  /** The child was started. */
  begin(pid: number): void {
    this.began_ns = Bun.nanoseconds();
    // Not getrusage's: in that is the image of who started us, however large it was.
    this.floor_bytes = (peakOf("self") ?? Infinity) + UNCOUNTED;
    this.tree = new ProcessTree(pid);
    this.lookIn(FIRST_MS);
  }

  private get age_ms(): number {
    return (Bun.nanoseconds() - this.began_ns) / 1e6;
  }

  private lookIn(ms: number): void {
    this.run.after(ms, () => {
      if (this.ended) return;
      const { age_ms } = this;
      const { heartbeat_ms } = this.of;
      this.calm = this.look(age_ms) ? 1 : Math.min(2 * this.calm, CALMEST);
      const first_ms = heartbeat_ms - age_ms;
      const next_ms =
        first_ms > 0 ? Math.min(age_ms, first_ms) : heartbeat_ms * this.calm;
      this.lookIn(Math.max(next_ms, (this.age_ms - age_ms) / SHARE));
    });
  }

  /** @returns whether anything has changed since the last one */
  private look(age_ms: number): boolean {
    const look = this.tree?.look();
    if (!look) return false;
    const { root, descendants, escaped, ...rest } = look;
    const found: JsonObject = {
      ...rest,
      ...parts({ root, descendants }),
      ...(escaped && { escaped: { ...escaped } }),
    };
    const said = JSON.stringify(found);
    const changed = said !== this.seen;
    this.seen = said;
    const pause_ms = Math.min(age_ms * OLDER, LONGEST_MS);
    const due =
      age_ms >= this.of.heartbeat_ms && age_ms - this.written_ms >= pause_ms;
    if (!due || said === this.written) return changed;
    this.written = said;
    this.written_ms = age_ms;
    this.write({
      [RESOURCE_USAGE]: {
        ...{ measured_by: "proc", wall_seconds: seconds(age_ms), ...found },
      },
    });
    return changed;
  }

  /** The child may be over, and not waited for. */
  over(): void {
    this.ending = this.tree?.ending() ?? this.ending;
  }

  /**
   * All of it, once the child was waited for.
   *
   * The kernel counts the image that a child had before exec, ours, into its peak of
   * memory: one that never grew beyond it cannot be told from us, and its peak is what
   * was seen of it.
   */
  end(outcome: Ended): JsonObject {
    this.ended = true;
    if (outcome.kind === "unstarted") return {};
    const { usage } = outcome;
    const seen = this.tree?.max_rss_bytes ?? null;
    const escaped = this.tree?.left();
    const { max_rss_bytes, ...of_kernel } = usage ?? NOBODY_TOLD;
    const told =
      max_rss_bytes > this.floor_bytes && max_rss_bytes >= (seen ?? 0);
    const { read_bytes, written_bytes, ...cpu } = of_kernel;
    return {
      max_rss_bytes: told ? max_rss_bytes : seen,
      ...cpu,
      [RESOURCE_USAGE]: {
        measured_by: usage && "wait4",
        max_rss_measured_by: told ? "wait4" : seen && "proc",
        wall_seconds: seconds(this.age_ms),
        ...{ read_bytes, written_bytes },
        ...(this.ending && parts(this.ending)),
        ...(escaped && { escaped: { ...escaped } }),
      },
    };
  }
}

const NOBODY_TOLD = {
  ...{ cpu_user_seconds: null, cpu_system_seconds: null, max_rss_bytes: 0 },
  ...{ read_bytes: null, written_bytes: null },
};

const parts = ({ root, descendants }: Split): JsonObject => ({
  shell: { ...root },
  descendants: { ...descendants },
});

const seconds = (ms: number): number => Math.round(ms) / 1_000;
