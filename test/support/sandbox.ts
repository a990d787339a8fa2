/**
 * A home of its own for one test: the compiled executable, real processes, a
 * real disk. Nothing of the caller's environment leaks in.
 */
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { memoryFolderOf } from "../../src/os/memory-folder.ts";
import type { Session } from "../../src/model/session.ts";

export const BINARY = join(import.meta.dir, "../../dist/session-buddy");

/** Whether all tests run with what terminals show recorded as well. */
const RECORDED = !!process.env["SESSION_BUDDY_TEST_RECORD"];
/** The ways in which a wrapper has its program at a terminal, for `test.each` and titles. */
export const WAYS: readonly { recorded: boolean; way: string }[] = [
  ...(RECORDED ? [] : [{ recorded: false, way: "" }]),
  { recorded: true, way: ", recorded" },
];

/** For an executable without the JIT: what it is built with reads no other variable. */
export const NO_JIT = { _UN_JSC_useJIT: "0" };

/** The native library is unpacked once for all tests of a process that do not test that. */
const CACHE = "session-buddy-test-";
const SHARED_CACHE = join(tmpdir(), `${CACHE}${process.pid}`);
// The runner calls no handler at its exit: whoever comes next removes it.
for (const name of readdirSync(tmpdir())) {
  const pid = name.startsWith(CACHE) && name.slice(CACHE.length);
  if (pid && !existsSync(`/proc/${pid}`))
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
}

/** How far long work is, told every ten seconds: how many of them is the machine's. */
const PROGRESS =
  /^session-buddy: [a-z]+: (?:[^,()\n]+, )?(?:\d+ %, )?\d[\d:]*(?: s)?\n/gm;

/** What was said on stderr, without how far long work is. */
export const withoutProgress = (said: string): string =>
  said.replace(PROGRESS, "");

/** Less than a test may take; how fast the machine is has no part in it. */
const PATIENCE_MS = 380_000;

export interface Finished {
  exitCode: number | null;
  signal: string | null;
  stdout: string;
  /** Without the lines of progress. */
  stderr: string;
}

export interface RunOptions {
  env?: Record<string, string | undefined>;
  cwd?: string;
  stdin?: string;
  /** Kills the process after so many milliseconds: a test that hangs says what it waited for. */
  timeout_ms?: number;
}

export class Sandbox implements Disposable {
  readonly home = mkdtempSync(join(tmpdir(), "sb-"));
  readonly env: Record<string, string> = {
    HOME: this.home,
    PATH: "/usr/local/bin:/usr/bin:/bin",
    LANG: "C.UTF-8",
    TERM: "xterm",
    SHELL: "/bin/bash",
    PS1: "$ ",
    XDG_CACHE_HOME: SHARED_CACHE,
  };

  /** @param recorded whether what terminals show is recorded, too */
  constructor(readonly recorded: boolean = RECORDED) {
    if (recorded) this.env["SESSION_BUDDY_SESSION_RECORD"] = "true";
  }

  get data(): string {
    return join(this.home, ".local/share/session-buddy");
  }

  get database(): string {
    return join(this.data, "sessions.duckdb");
  }

  /** This machine's spool folder; it exists once something was recorded. */
  get spool(): string {
    const root = join(this.data, "spool");
    return join(root, readdirSync(root)[0]!);
  }

  /** The lines of all live spool files, parsed; none before there is a spool. */
  spooled(): Record<string, unknown>[] {
    const root = join(this.data, "spool");
    if (!existsSync(root) || readdirSync(root).length === 0) return [];
    return (
      readdirSync(this.spool)
        .filter((name) => name.endsWith(".ndjson"))
        // A last line without its end is being written.
        .flatMap((name) =>
          readFileSync(join(this.spool, name), "utf8").split("\n").slice(0, -1),
        )
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    );
  }

  envWith(extra: RunOptions["env"] = {}): Record<string, string> {
    const env: Record<string, string | undefined> = { ...this.env, ...extra };
    return Object.fromEntries(
      Object.entries(env).filter(([, value]) => value !== undefined),
    ) as Record<string, string>;
  }

  /** Runs any command to its end. */
  async command(argv: string[], options: RunOptions = {}): Promise<Finished> {
    const child = Bun.spawn(argv, {
      env: this.envWith(options.env),
      cwd: options.cwd ?? this.home,
      stdin: new Blob([options.stdin ?? ""]),
      stdout: "pipe",
      stderr: "pipe",
      timeout: options.timeout_ms ?? PATIENCE_MS,
      killSignal: "SIGKILL",
    });
    const [stdout, stderr] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    return {
      exitCode: child.exitCode,
      signal: child.signalCode === null ? null : `${child.signalCode}`,
      stdout,
      stderr: withoutProgress(stderr),
    };
  }

  /** Runs session-buddy to its end. */
  run(args: string[], options: RunOptions = {}): Promise<Finished> {
    return this.command([BINARY, ...args], options);
  }

  /**
   * `list-sessions --format json`, and the flags given; once more where a drain in the
   * background has the database for longer than a command waits for it.
   */
  async list(...flags: string[]): Promise<SessionJson[]> {
    const argv = ["list-sessions", "--format", "json", ...flags];
    for (let tries = 0; ; tries++) {
      const { stdout, stderr, exitCode } = await this.run(argv);
      if (exitCode === 0) return JSON.parse(stdout) as SessionJson[];
      if (tries < 10 && stderr.includes("the database is busy")) continue;
      throw new Error(`list-sessions: ${exitCode} ${stderr}`);
    }
  }

  /** The only session there is. */
  async only(): Promise<SessionJson> {
    const sessions = await this.list();
    if (sessions.length !== 1)
      throw new Error(`${sessions.length} sessions, not one`);
    return sessions[0]!;
  }

  [Symbol.dispose](): void {
    // What a wrapper that was killed has left in memory goes by a pass that there is none of.
    const files = new Bun.Glob(".local/share/*/spool/*/*.ndjson");
    for (const path of files.scanSync({ cwd: this.home, dot: true })) {
      const folder = memoryFolderOf(basename(path, ".ndjson"));
      rmSync(join("/dev/shm", folder), { recursive: true, force: true });
    }
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** A session as the command line's JSON shows it. */
export type SessionJson = Session;
