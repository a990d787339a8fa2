/**
 * Routes: `shell` first and light, everything else by the lazy command tree.
 * `shell` is imported here and not on demand: one chunk loads faster than six.
 * The one place that turns a failure into a sentence and an exit status.
 */
import { countExecutables } from "./cli/commands/count-executables.ts";
import { shell } from "./cli/commands/shell.ts";
import { Failure, OutputClosed, reasonOf } from "./model/failure.ts";
import { say } from "./os/file.ts";
import { returnToFolder } from "./os/at-exec.ts";
import { endAs, libc } from "./os/libc.ts";
import { COUNT_EXECUTABLES } from "./record/path-executables.ts";
import { escapeText } from "./render/escape.ts";

async function main(argv: readonly string[]): Promise<number> {
  if (libc) returnToFolder(libc);
  if (argv[0] === "shell") return shell(argv.slice(1));
  if (argv[0] === COUNT_EXECUTABLES) return countExecutables(argv.slice(1));
  if (argv[0] === "redact-text") {
    const { redactText } = await import("./cli/commands/redact-text.ts");
    return redactText(argv.slice(1));
  }
  if (argv[0] === "record-screen") {
    const { recordScreen } = await import("./cli/commands/record-screen.ts");
    return recordScreen(argv.slice(1));
  }
  const { runTree } = await import("./cli/tree.ts");
  return runTree(argv);
}

function report(error: unknown): number {
  if (error instanceof OutputClosed) return 0;
  if (error instanceof Failure) {
    say(`session-buddy: ${escapeText(error.message)}\n`);
    return error.exitStatus;
  }
  say(
    `session-buddy: internal error: ${escapeText(reasonOf(error))} (please report it with the command line)\n`,
  );
  return process.argv[2] === "shell" ? 125 : 1;
}

// The runtime spins when a module waits and nothing is left that could wake it:
// no `await` here, and it comes to this.
process.once("beforeExit", () =>
  endAs(report(new Error("nothing is left to wait for")), null),
);
void main(process.argv.slice(2)).then(
  (status) => endAs(status, null),
  (error: unknown) => endAs(report(error), null),
);
