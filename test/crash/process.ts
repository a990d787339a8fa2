/**
 * One of our processes under fire: it may be killed, stopped and continued, and
 * whatever becomes of it, it must not hang, and must end as documented. What it
 * does wrong is told to the world, with what it said.
 */
import { readFileSync, readdirSync } from "node:fs";
import { EXIT_STATUS } from "../../src/model/failure.ts";
import type { Random } from "../support/random.ts";

export type Role = "wrapper" | "drain" | "reader" | "server";

/**
 * No command waits for longer: 30 s for an answer, 15 s for a lock. What lives as long
 * as a round does has longer.
 */
const PATIENCE_MS: Record<Role, number> = {
  wrapper: 600_000,
  drain: 180_000,
  reader: 180_000,
  server: 600_000,
};
const STATUSES: ReadonlySet<number> = new Set([
  0,
  ...Object.values(EXIT_STATUS),
]);

/** What is to happen to it. */
export type Fate = "live" | "kill" | "freeze";

/** Mean lives by role, measured: a kill is to come within one. */
const lives: Record<Role, number> = {
  wrapper: 80,
  drain: 150,
  reader: 150,
  server: 800,
};

export interface Spawned {
  argv: string[];
  env: Record<string, string>;
  cwd: string;
  /** Whether its exit status is its own word, and not a wrapped program's. */
  judged: boolean;
}

export class Process {
  readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  stdout = "";
  stderr = "";
  /** We killed it. */
  killed = false;
  private readonly began = performance.now();
  private readonly deadline: ReturnType<typeof setTimeout>;
  /** Its stdout and stderr are at their ends; of a wrapper, with its program's. */
  readonly quiet: Promise<unknown>;

  constructor(
    readonly role: Role,
    private readonly spawned: Spawned,
    private readonly blame: (what: string) => void,
  ) {
    const { argv, env, cwd } = spawned;
    this.child = Bun.spawn(argv, {
      ...{ env, cwd, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    });
    this.quiet = Promise.all([
      this.collect(this.child.stdout, (text) => (this.stdout += text)),
      this.collect(this.child.stderr, (text) => (this.stderr += text)),
    ]);
    this.deadline = setTimeout(() => this.hang(), PATIENCE_MS[role]);
  }

  get pid(): number {
    return this.child.pid;
  }

  get over(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Lets its fate come over it at a moment of its life, and waits for its end. */
  async meet(fate: Fate, random: Random): Promise<void> {
    const after = random.next() * lives[this.role] * 1.2;
    const pause = random.next() * 300;
    if (fate !== "live")
      await Promise.race([this.child.exited, Bun.sleep(after)]);
    if (fate === "kill") this.kill();
    if (fate === "freeze") await this.freeze(pause);
    if (fate === "live") await this.end();
    else await this.child.exited;
  }

  kill(): void {
    if (this.over) return;
    this.killed = true;
    this.child.kill("SIGKILL");
  }

  async freeze(pause_ms: number): Promise<void> {
    this.child.kill("SIGSTOP");
    await Bun.sleep(pause_ms);
    this.child.kill("SIGCONT");
  }

  /** Waits for its end and judges it. */
  async end(): Promise<void> {
    await this.child.exited;
    clearTimeout(this.deadline);
    if (this.killed) return;
    if (this.role !== "wrapper") await this.quiet;
    const life = performance.now() - this.began;
    if (this.role !== "server")
      lives[this.role] += (Math.min(life, 2_000) - lives[this.role]) / 8;
    const { exitCode, signalCode } = this.child;
    const { judged, argv } = this.spawned;
    const wrong = (what: string) =>
      this.blame(
        `${what}: ${argv.join(" ")}: status ${exitCode}, signal ${signalCode}, said ${JSON.stringify(this.stderr.slice(-2_000))}`,
      );
    if (/internal error|\n\s+at |panic|Segmentation/.test(this.stderr))
      return wrong("no sentence of ours");
    if (!judged) return;
    if (exitCode === null || !STATUSES.has(exitCode))
      return wrong("an undocumented end");
    const lines = this.stderr.split("\n").filter(Boolean);
    const failed = exitCode !== 0;
    if (failed && lines.length === 0) return wrong("failed without a word");
    if (!lines.every((line) => line.startsWith("session-buddy: ")))
      return wrong("not our way to speak");
  }

  /** Bears witness of where it hangs, and ends it. */
  private hang(): void {
    if (this.over) return;
    const { pid } = this;
    const threads = namesIn(`/proc/${pid}/task`).map((thread) => {
      const read = (name: string) =>
        textOf(`/proc/${pid}/task/${thread}/${name}`);
      return `${read("comm").trim()} ${read("wchan")} ${read("syscall").trim()}`;
    });
    this.blame(
      `hangs: ${this.spawned.argv.join(" ")}, said ${JSON.stringify(this.stderr)}\n  ${threads.join("\n  ")}`,
    );
    this.kill();
  }

  private async collect(
    stream: ReadableStream<Uint8Array>,
    take: (text: string) => void,
  ): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream)
      take(decoder.decode(bytes, { stream: true }));
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
