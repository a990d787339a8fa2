/**
 * The version of the wrapped program: asked once it runs, bounded, and never
 * from the working directory.
 */
import type { JsonObject } from "../model/event.ts";
import type { Question } from "./outcome.ts";
import { type Program, programOf } from "./program.ts";

export interface Facts {
  python_version?: string;
  measured: JsonObject;
}

/** What to ask, and what an answer tells: "" tells that nothing is known. */
export interface VersionQuestion extends Question {
  facts(answer: string): Facts;
}

const PROBE_MS = 2_000;
const VERSIONED_SHELLS = ["bash", "zsh", "fish", "ksh", "tcsh", "nu"];

/**
 * The first thing in a text that looks like a version: `5.2.15(1)-release`.
 */
export function findVersion(text: string): string | null {
  return /\d+\.\d[\w.()+-]*/.exec(text)?.[0] ?? null;
}

/**
 * How a known program is asked for its version.
 * @param argv the wrapped program and its arguments
 * @param file what is run: a login shell's own argv[0] is no path
 * @returns null for any other program
 */
export function versionQuestion(
  argv: readonly string[],
  file: string,
): VersionQuestion | null {
  const program = programOf(argv);
  if (program.kind === "python") return askPython(file, program);
  if (!VERSIONED_SHELLS.includes(program.kind)) return null;
  return {
    command: [file, "--version"],
    limit_ms: PROBE_MS,
    facts(answer) {
      const version = findVersion(answer);
      return { measured: { version, shell_version: version } };
    },
  };
}

/** Prints Python's version, then that of the package which brings a module. */
const PYTHON_VERSIONS = `
import sys
print(sys.version.split()[0])
from importlib import metadata
try: print(metadata.version(sys.argv[1]))
except metadata.PackageNotFoundError: print(metadata.version(metadata.packages_distributions()[sys.argv[1]][0]))
`;

function askPython(file: string, program: Program): VersionQuestion {
  const top = program.python_module?.split(".")[0];
  const command = top ? ["-c", PYTHON_VERSIONS, top] : ["--version"];
  return {
    command: [file, ...command],
    limit_ms: PROBE_MS,
    facts(answer) {
      const lines = answer.split("\n");
      const python = findVersion(lines[0] ?? "");
      const version = top ? findVersion(lines[1] ?? "") : python;
      return {
        ...(python ? { python_version: python } : {}),
        measured: { version },
      };
    },
  };
}
