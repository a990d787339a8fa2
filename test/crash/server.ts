/** A server of a round, which comes and goes. */
import { EXIT_STATUS } from "../../src/model/failure.ts";
import { until } from "../support/wait.ts";
import type { Process } from "./process.ts";
import type { World } from "./world.ts";

/** A machine may be slow; one that hangs gets there. */
const DRAIN_AGE_SECONDS = 30;
/** Its database may be away. */
const START_MS = 90_000;
/** The longest that anybody waits for an answer. */
export const ANSWER_MS = 45_000;

export class Server {
  private process: Process | null = null;
  private port = "auto";
  private ready = false;

  /** @param patient it may be told to end while its database is away, and waits for that */
  constructor(
    private readonly world: World,
    private readonly patient = false,
  ) {}

  /** It was started, and is there, perhaps not ready yet. */
  get runs(): boolean {
    return this.process !== null && !this.process.over;
  }

  /** Where it listens, or has listened; null before its first start. */
  get url(): string | null {
    return this.port === "auto" ? null : `http://127.0.0.1:${this.port}/mcp`;
  }

  /** Starts it; with trouble about, that may fail. */
  async start(): Promise<boolean> {
    if (this.runs) return true;
    const { world } = this;
    const process = world.spawn(
      "server",
      ["mcp", "start", "--port", this.port],
      true,
    );
    this.process = process;
    this.ready = false;
    await until(
      "a server to be ready, or over",
      () => process.over || /ready \(pid/.test(process.stderr),
      START_MS,
    );
    const found = /127\.0\.0\.1:(\d+)\/mcp/.exec(process.stderr);
    if (process.over) await process.end();
    if (!found || process.over) return false;
    this.port = found[1]!;
    this.ready = true;
    if (world.far) world.endpoint = this.url;
    return true;
  }

  /** Freezes it in the middle of what it does. */
  async freeze(): Promise<void> {
    if (!this.runs) return;
    this.world.count("frozen");
    this.world.tell("server frozen");
    await this.process!.freeze(this.world.random.next() * 400);
  }

  async kill(): Promise<void> {
    if (!this.runs) return;
    const process = this.process!;
    process.kill();
    await process.child.exited;
    await process.end();
    this.world.count("server killed");
    this.world.tell(`server ${process.pid} killed`);
  }

  async stop(): Promise<void> {
    if (!this.runs || !this.ready) return this.kill();
    this.process!.child.kill("SIGTERM");
    await this.process!.end();
    const { exitCode } = this.process!.child;
    this.world.tell(`server stopped: ${exitCode}`);
    if (exitCode === EXIT_STATUS.timeout && !this.patient)
      this.world.blame(`it did not come to its end: ${this.process!.stderr}`);
  }

  /** With no trouble about, it sees to the spool. */
  async checkHealth(): Promise<void> {
    if (!this.runs || !this.ready) return;
    const { origin } = new URL(this.url!);
    this.world.count("health asked");
    // After a machine has stood still it comes to its next pass once it goes on.
    await until("a pass of the server over its spool", async () => {
      const response = await fetch(`${origin}/health`, {
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const health = (await response.json()) as {
        last_drain_age_seconds: number;
      };
      return health.last_drain_age_seconds <= DRAIN_AGE_SECONDS;
    });
  }
}
