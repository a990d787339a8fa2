/**
 * Routes: `shell` first and light, everything else by the lazy command tree.
 * The one place that turns a failure into a sentence and an exit status.
 */
import { writeSync } from "node:fs";
import { Failure, reasonOf } from "./model/failure.ts";
import { endAs } from "./os/libc.ts";
import { escapeText } from "./render/escape.ts";

async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === "shell") {
    const { shell } = await import("./cli/shell.ts");
    return shell(argv.slice(1));
  }
  const { runTree } = await import("./tree.ts");
  return runTree(argv);
}

function report(error: unknown): number {
  if (error instanceof Failure) {
    writeSync(2, `session-buddy: ${escapeText(error.message)}\n`);
    return error.exitStatus;
  }
  writeSync(
    2,
    `session-buddy: internal error: ${escapeText(reasonOf(error))} (please report it with the command line)\n`,
  );
  return process.argv[2] === "shell" ? 125 : 1;
}

try {
  endAs(await main(process.argv.slice(2)), null);
} catch (error) {
  endAs(report(error), null);
}
