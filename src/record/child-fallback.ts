/**
 * Runs a program without the C library (no JIT): standard streams alone, no
 * bytes that are not UTF-8, and nothing is seen of a shell that suspends itself.
 */
import { EAGAIN } from "../os/constants.ts";
import { procWords } from "../os/proc.ts";
import { SIGNALS } from "../os/signals.ts";
import { BLOCK_BYTES, type Program, type Usage } from "../os/spawn.ts";
import {
  ENOENT,
  MAX_ANSWER_BYTES,
  NO_PROCESS,
  type Outcome,
  type Question,
  type Run,
  type Watch,
  tellToGo,
  unstarted,
} from "./outcome.ts";

const { SIGHUP, SIGTERM } = SIGNALS;

export class FallbackRun implements Run {
  /** Programs under question, each a process group of its own. */
  private readonly asked = new Set<Bun.Subprocess>();
  private readonly variables = new Map<string, string | null>();
  private wake = () => {};

  setVariable(name: string, value: string | null): void {
    this.variables.set(name, value);
  }

  after(ms: number, step: () => void): void {
    setTimeout(step, ms);
  }

  detach(command: readonly string[], argv0: string): void {
    try {
      Bun.spawn([...command], {
        argv0,
        cwd: "/",
        stdio: ["ignore", "ignore", "ignore"],
        detached: true,
      }).unref();
    } catch {
      // No process to be had, or the executable is gone.
    }
  }

  ask(question: Question, answered: (text: string) => void): void {
    void this.answer(question).then((text) => {
      answered(text);
      this.wake();
    });
  }

  private async answer({ command, argv0, limit_ms }: Question) {
    let child: Bun.Subprocess<"ignore", "pipe", "ignore"> | null = null;
    try {
      child = Bun.spawn([...command], {
        ...(argv0 ? { argv0 } : {}),
        cwd: "/",
        stdio: ["ignore", "pipe", "ignore"],
        detached: true,
        timeout: limit_ms,
        killSignal: "SIGKILL",
        maxBuffer: MAX_ANSWER_BYTES,
      });
      child.unref();
      this.asked.add(child);
      return await child.stdout.text();
    } catch {
      // A program that cannot be asked has no answer.
      return "";
    } finally {
      if (child) this.asked.delete(child);
    }
  }

  stopAsking(): void {
    for (const { pid } of this.asked)
      try {
        process.kill(-pid, "SIGKILL");
      } catch {
        // It has just ended.
      }
  }

  async until(so: () => boolean, at_most_ms: number): Promise<void> {
    const late = Bun.sleep(at_most_ms).then(() => true);
    for (;;) {
      if (so()) return;
      const woken = new Promise<false>((resolve) => {
        this.wake = () => resolve(false);
      });
      if (await Promise.race([woken, late])) return;
    }
  }

  async run(program: Program, watch: Watch): Promise<Outcome> {
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    let told: number | null = null;
    for (const name of ["SIGINT", "SIGQUIT"] as const)
      process.on(name, () => {});
    // Ctrl-Z stops the child, of which nobody would tell us.
    process.on("SIGTSTP", () => process.kill(process.pid, "SIGSTOP"));
    let child: Bun.Subprocess | null = null;
    const abandoned = Promise.withResolvers<Outcome>();
    const relay = (signal: number): boolean => {
      try {
        child?.kill(signal);
        return true;
      } catch {
        // Another user's.
        return false;
      }
    };
    const go = (signal: number) => {
      told ??= signal;
      if (!child) return;
      tellToGo(signal, child.pid, relay, this.after, () =>
        abandoned.resolve({ kind: "abandoned", told_to_go: signal }),
      );
    };
    // Before the spawn: a child that is up may have us signalled at once.
    process.on("SIGTERM", () => go(SIGTERM));
    process.on("SIGHUP", () => go(SIGHUP));
    try {
      child = Bun.spawn(
        [text(program.file), ...program.argv.slice(1).map(text)],
        {
          argv0: text(program.argv[0]!),
          env: this.environment(),
          stdio: ["inherit", "inherit", "inherit"],
        },
      );
    } catch (error) {
      const { errno = 0 } = error as { errno?: number };
      const no_process = Math.abs(errno) === EAGAIN;
      if (!no_process || !watch.noChild(NO_PROCESS)) return unstarted(errno);
      return this.become(text(program.file), program.argv.map(text));
    }
    watch.spawned(child.pid);
    const { heartbeat } = watch;
    const beating = heartbeat
      ? setInterval(() => heartbeat.beat(), heartbeat.every_ms)
      : undefined;
    const exited = child.exited.then((): Outcome => {
      const signal = child.signalCode && SIGNALS[child.signalCode as never];
      return {
        kind: "exited",
        exit_code: signal ? null : child.exitCode,
        signal: signal || null,
        usage: usageOf(child),
        hung_up: false,
        told_to_go: told,
      };
    });
    const outcome = await Promise.race([exited, abandoned.promise]);
    clearInterval(beating);
    return outcome;
  }

  /** The program runs in our place; @returns only when it cannot */
  private become(file: string, argv: readonly string[]): Outcome {
    // What the runtime ignores it would find ignored; what is caught, not.
    for (const name of ["SIGPIPE", "SIGXFSZ"] as const)
      process.on(name, () => {});
    const path = Bun.which(file);
    if (path === null) return unstarted(ENOENT);
    try {
      return process.execve!(path, argv, this.environment() as never);
    } catch (error) {
      return unstarted((error as { errno?: number }).errno ?? 0);
    }
  }

  private environment(): Record<string, string | undefined> {
    const entries = procWords("self/environ");
    const env = entries ? environmentOf(entries) : { ...process.env };
    for (const [name, value] of this.variables) env[name] = value ?? undefined;
    return env;
  }
}

/** @returns null when the runtime was not told */
function usageOf(child: Bun.Subprocess): Usage | null {
  const used = child.resourceUsage();
  return used
    ? {
        cpu_user_seconds: Number(used.cpuTime.user) / 1e6,
        cpu_system_seconds: Number(used.cpuTime.system) / 1e6,
        max_rss_bytes: used.maxRSS,
        read_bytes: used.ops.in * BLOCK_BYTES,
        written_bytes: used.ops.out * BLOCK_BYTES,
      }
    : null;
}

function environmentOf(
  entries: readonly Uint8Array[],
): Record<string, string | undefined> {
  const out = Object.create(null) as Record<string, string | undefined>;
  for (const bytes of entries) {
    const entry = new TextDecoder().decode(bytes);
    const at = entry.indexOf("=", 1);
    if (at > 0) out[entry.slice(0, at)] = entry.slice(at + 1);
  }
  return out;
}
