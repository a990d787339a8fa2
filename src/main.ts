/**
 * Routes: `shell` first and light, everything else by the lazy command tree.
 * The one place that turns a failure into a sentence and an exit status.
 */
import { Failure, reasonOf } from "./model/failure.ts";

async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === "shell") {
    const { shell } = await import("./cli/shell.ts");
    return shell(argv.slice(1));
  }
  const { runTree } = await import("./tree.ts");
  return runTree(argv);
}

/** Ends without the runtime's exit work, which would rewrite the terminal's modes. */
async function leave(status: number): Promise<never> {
  const { endAs } = await import("./record/child.ts");
  return endAs(status, null);
}

try {
  await leave(await main(process.argv.slice(2)));
} catch (error) {
  const { writeSync } = await import("node:fs");
  const failure = error instanceof Failure ? error : null;
  const sentence =
    failure?.message ??
    `internal error: ${reasonOf(error)} (please report it with the command line)`;
  writeSync(2, `session-buddy: ${sentence}\n`);
  await leave(failure?.exitStatus ?? (process.argv[2] === "shell" ? 125 : 1));
}
