/**
 * The scratch home of a self-test: nothing of the user's is read or written there, no
 * server of his is asked, and all that was started in it ends with it, also when the
 * test is interrupted.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { errnoOf, fail } from "../model/failure.ts";
import { tryReadText } from "../os/file.ts";
import { endAs } from "../os/libc.ts";
import { temporaryFolder } from "../os/scratch.ts";
import { SIGNALS } from "../os/signals.ts";
import { Terminal } from "./terminal.ts";

/** How long one of our commands may take. */
const COMMAND_MS = 20_000;
const ENDING_MS = 2_000;
const LOOK_MS = 20;
/** By this path also when the executable was replaced meanwhile. */
const EXECUTABLE = "/proc/self/exe";

/** What of the user's environment is passed on: nothing that leads to his files. */
const KEPT = /^(PATH|LANG|LC_\w+|TZ|USER|LOGNAME|TMPDIR|LD_LIBRARY_PATH)$/;

/** On top of what /etc says: as if nobody had configured anything. */
const CONFIGURATION = `session: {enabled: true, audit: best-effort, commands: true, banner: full}
server: {host: 127.0.0.1, port: auto, endpoint: null, tls: {cert: null, key: null}}
auth: {secret_file: null, token_file: null}
store: {path: null}
cache_dir: null
export_to: null
alerts: null
`;

export interface Finished {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** It may have ended since it was found. */
function tellPid(pid: number, signal: "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errnoOf(error) !== "ESRCH") throw error;
  }
}

type Child = Pick<Bun.Subprocess, "kill" | "exited" | "exitCode" | "pid">;

export class World implements AsyncDisposable {
  readonly home: string;
  readonly env: Record<string, string>;
  private readonly children = new Set<Child>();
  private readonly terminals = new Set<Terminal>();
  private readonly forget: () => void;
  private ending: Promise<void> | null = null;

  constructor() {
    this.home = mkdtempSync(`${temporaryFolder()}/sb-selftest-`);
    const { home } = this;
    const kept = Object.entries(process.env).filter(([name]) =>
      KEPT.test(name),
    );
    this.env = {
      ...(Object.fromEntries(kept) as Record<string, string>),
      HOME: home,
      TERM: "xterm",
      // Short: a socket's path may not be long.
      XDG_STATE_HOME: `${home}/s`,
      XDG_RUNTIME_DIR: `${home}/r`,
      SESSION_BUDDY_CONFIG: `${home}/config.yaml`,
      SESSION_BUDDY_SECRET: crypto.randomUUID() + crypto.randomUUID(),
    };
    this.forget = this.hear();
    mkdirSync(`${home}/r`, { mode: 0o700 });
    writeFileSync(`${home}/config.yaml`, CONFIGURATION, { mode: 0o600 });
    // Without one zsh asks a newcomer how he wants it.
    writeFileSync(`${home}/.zshrc`, "");
    // Without it fish reads all manual pages, and goes on after its end.
    const pages = `${home}/.local/share/fish/generated_completions`;
    mkdirSync(pages, { recursive: true, mode: 0o700 });
  }

  /** Runs one of our commands to its end. */
  async run(args: readonly string[], stdin = ""): Promise<Finished> {
    const child = this.mind(
      Bun.spawn([EXECUTABLE, ...args], {
        argv0: "session-buddy",
        ...{ env: this.env, cwd: this.home },
        stdin: new Blob([stdin]),
        stdout: "pipe",
        stderr: "pipe",
        timeout: COMMAND_MS,
        killSignal: "SIGKILL",
      }),
    );
    const [stdout, stderr] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    return { status: child.exitCode, stdout, stderr };
  }

  /**
   * The same of one that has to succeed.
   * @throws Failure (unhealthy) with what it said
   */
  async succeed(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(args);
    if (status === 0) return stdout;
    throw fail.unhealthy(
      `session-buddy ${args.join(" ")} ended with status ${status}: ${stderr.trim()}`,
      "see: session-buddy doctor",
    );
  }

  /** Starts one of our commands, which says on stderr how it is. */
  start(...args: string[]) {
    return this.mind(
      Bun.spawn([EXECUTABLE, ...args], {
        argv0: "session-buddy",
        ...{ env: this.env, cwd: this.home },
        stdin: "ignore",
        stdout: "ignore",
        stderr: "pipe",
      }),
    );
  }

  /** Starts one of our commands on a terminal of its own. */
  terminal(...args: string[]): Terminal {
    const { env, home } = this;
    const terminal = new Terminal([EXECUTABLE, ...args], env, home);
    this.terminals.add(terminal);
    return terminal;
  }

  private mind<C extends Child>(child: C): C {
    this.children.add(child);
    void child.exited.then(() => this.children.delete(child));
    return child;
  }

  /** Ends everything, and removes the home. */
  end(): Promise<void> {
    return (this.ending ??= this.endAll());
  }

  private async endAll(): Promise<void> {
    for (const terminal of this.terminals) terminal.hangUp();
    const ended = [...this.terminals].map((terminal) => terminal.ended);
    await Promise.race([Promise.all(ended), Bun.sleep(ENDING_MS)]);
    for (const terminal of this.terminals) terminal.kill();
    const left = [...this.children];
    for (const child of left) child.kill("SIGKILL");
    await Promise.all([...ended, ...left.map(({ exited }) => exited)]);
    await this.endStrays();
    rmSync(this.home, { recursive: true, force: true });
  }

  /** What a killed one has started would make the home again. */
  private async endStrays(): Promise<void> {
    const deadline = performance.now() + ENDING_MS;
    for (;;) {
      const strays = readdirSync("/proc").filter((name) => this.isStray(name));
      if (strays.length === 0 || performance.now() > deadline) return;
      for (const pid of strays) tellPid(Number(pid), "SIGKILL");
      await Bun.sleep(LOOK_MS);
    }
  }

  /** Whether a process, by its name in /proc, has our home in its environment. */
  private isStray(name: string): boolean {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return false;
    const text = tryReadText(`/proc/${name}/environ`) ?? "";
    return text.split("\0").includes(`HOME=${this.home}`);
  }

  /** Dies of a signal as everybody does, once all has ended. */
  private hear(): () => void {
    const signals = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name) => {
      const end = () => void this.end().then(() => endAs(null, SIGNALS[name]));
      process.once(name, end);
      return () => process.removeListener(name, end);
    });
    return () => signals.forEach((forget) => forget());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    this.forget();
  }
}
