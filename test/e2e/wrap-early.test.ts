/**
 * Signals sent to the wrapper by the program's first instruction. Where we may,
 * both run on one processor and the program first: there the wrapper has done
 * nothing yet since the start. Elsewhere it is likely to have.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { BINARY, NO_JIT, Sandbox } from "../support/sandbox.ts";

/** argv that lets what a program starts run until it waits, before the program. */
function childFirst(): string[] {
  const status = readFileSync("/proc/self/status", "latin1");
  const [, cpu] = /^Cpus_allowed_list:\s(\d+)/m.exec(status)!;
  const argv = ["chrt", "--fifo", "1", "taskset", "--cpu-list", cpu!];
  if (Bun.which(argv[0]!) && Bun.spawnSync([...argv, "true"]).success)
    return argv;
  console.error("not root: the program may come second");
  return [];
}

const CASES = [
  { signal: "SIGTERM", reason: "terminated", env: {} },
  { signal: "SIGHUP", reason: "hangup", env: {} },
  { signal: "SIGUSR1", reason: "signaled", env: {} },
  { signal: "SIGUSR2", reason: "signaled", env: {} },
  { signal: "SIGTERM", reason: "terminated", env: NO_JIT },
  { signal: "SIGHUP", reason: "hangup", env: NO_JIT },
];

test.each(CASES)(
  "$signal to the wrapper as soon as the program is up ends the program: $env",
  async ({ signal, reason, env }) => {
    using sandbox = new Sandbox();
    const name = signal.slice(3);
    // Left behind, it would be active; not told, it would exit with 0.
    const script = `setsid kill -${name} $PPID; exec sleep 1000`;
    const argv = [BINARY, "shell", "--", "sh", "-c", script];
    const done = await sandbox.command([...childFirst(), ...argv], { env });
    const session = await sandbox.only();
    expect(session).toMatchObject({ status: "ended", exit_code: null });
    expect(session.metadata["exit_reason"]).toBe(reason);
    expect(done.signal).toBe(session.signal);
  },
);
