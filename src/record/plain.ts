/**
 * Runs a program without the C library (no JIT): standard streams alone, no
 * bytes that are not UTF-8, and nothing is seen of a shell that suspends itself.
 */
import { SIGNALS } from "../os/signals.ts";
import {
  type ChildProgram,
  GRACE_MS,
  type Outcome,
  tellToGo,
  unstarted,
} from "./outcome.ts";

const { SIGHUP, SIGTERM } = SIGNALS;

export class PlainRun {
  async run(
    program: ChildProgram,
    spawned: (pid: number) => void,
  ): Promise<Outcome> {
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    let told: number | null = null;
    for (const name of ["SIGINT", "SIGQUIT"] as const)
      process.on(name, () => {});
    // Ctrl-Z stops the child, of which nobody would tell us.
    process.on("SIGTSTP", () => process.kill(process.pid, "SIGSTOP"));
    let child: Bun.Subprocess | null = null;
    const abandoned = Promise.withResolvers<Outcome>();
    const go = (signal: number) => {
      if (told !== null) return;
      told = signal;
      if (child) tellToGo(signal, child.pid, (s) => child?.kill(s));
      setTimeout(
        () => abandoned.resolve({ kind: "abandoned", told_to_go: signal }),
        GRACE_MS,
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
          env: environmentOf(program.envp.map(text)),
          stdio: ["inherit", "inherit", "inherit"],
        },
      );
    } catch (error) {
      return unstarted((error as { errno?: number }).errno ?? 0);
    }
    spawned(child.pid);
    const exited = child.exited.then((): Outcome => {
      const signal = child.signalCode && SIGNALS[child.signalCode as never];
      return {
        kind: "exited",
        exit_code: signal ? null : child.exitCode,
        signal: signal || null,
        usage: null,
        hung_up: false,
        told_to_go: told,
      };
    });
    return Promise.race([exited, abandoned.promise]);
  }
}

function environmentOf(entries: readonly string[]): Record<string, string> {
  const out = Object.create(null) as Record<string, string>;
  for (const entry of entries) {
    const at = entry.indexOf("=", 1);
    if (at > 0) out[entry.slice(0, at)] = entry.slice(at + 1);
  }
  return out;
}
