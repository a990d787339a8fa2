/**
 * A disk of a few megabytes in a mount namespace of its own, which a test can
 * fill to the last page and free again. It goes with the one process that
 * holds the namespace.
 */
import { closeSync, existsSync, openSync, rmSync, writeSync } from "node:fs";
import { errnoOf } from "../../src/model/failure.ts";

const SIZE = "40m";
const BLOCKS = [1 << 20, 1 << 16, 1 << 12];

export class SmallDisk implements AsyncDisposable {
  private readonly holder: Bun.Subprocess<"ignore", "pipe", "inherit">;

  /**
   * @param mounted the folder that becomes the disk, empty
   * @param size as mount takes it
   */
  constructor(
    private readonly mounted: string,
    size = SIZE,
  ) {
    const script = `mount -t tmpfs -o size=${size},mode=700 none "$0"; touch "$0/mounted"; exec sleep infinity`;
    const unshare = ["unshare", "-m", "--propagation", "private"];
    this.holder = Bun.spawn([...unshare, "sh", "-euc", script, mounted], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    const deadline = performance.now() + 60_000;
    while (!existsSync(`${this.root}${mounted}/mounted`)) {
      if (performance.now() > deadline)
        throw new Error("the disk is not mounted");
      Bun.sleepSync(2);
    }
  }

  /** What goes before a path that processes on the disk use, for us to reach it. */
  get root(): string {
    return `/proc/${this.holder.pid}/root`;
  }

  /** What goes before the argv of who is to see the disk. */
  get enter(): string[] {
    return ["nsenter", "-t", `${this.holder.pid}`, "-m", "--"];
  }

  /** Leaves no byte free. */
  fill(): void {
    const fd = openSync(this.ballast, "a", 0o600);
    try {
      for (const size of BLOCKS) while (written(fd, size)) continue;
    } finally {
      closeSync(fd);
    }
  }

  free(): void {
    rmSync(this.ballast, { force: true });
  }

  private get ballast(): string {
    return `${this.root}${this.mounted}/ballast`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.holder.kill("SIGKILL");
    await this.holder.exited;
  }
}

function written(fd: number, size: number): boolean {
  try {
    return writeSync(fd, new Uint8Array(size)) === size;
  } catch (error) {
    if (errnoOf(error) === "ENOSPC") return false;
    throw error;
  }
}
