/**
 * The version of the wrapped program: asked once it runs, bounded, and never
 * from the working directory.
 */
import type { JsonObject } from "../model/event.ts";
import { type Program, programOf } from "./program.ts";

export interface Facts {
  python_version?: string;
  measured: JsonObject;
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
 * Asks a known program for its version; null facts for any other.
 * @param argv the wrapped program and its arguments
 * @param file what is run: a login shell's own argv[0] is no path
 */
export async function askVersion(
  argv: readonly string[],
  file: string,
): Promise<Facts> {
  const program = programOf(argv);
  if (program.kind === "python") return askPython(file, program);
  if (!VERSIONED_SHELLS.includes(program.kind)) return { measured: {} };
  const version = findVersion(await probe([file, "--version"]));
  return { measured: { version, shell_version: version } };
}

/** Prints Python's version, then that of the package which brings a module. */
const PYTHON_VERSIONS = `
import sys
print(sys.version.split()[0])
from importlib import metadata
try: print(metadata.version(sys.argv[1]))
except metadata.PackageNotFoundError: print(metadata.version(metadata.packages_distributions()[sys.argv[1]][0]))
`;

async function askPython(file: string, program: Program): Promise<Facts> {
  const top = program.python_module?.split(".")[0];
  const command = top ? ["-c", PYTHON_VERSIONS, top] : ["--version"];
  const lines = (await probe([file, ...command])).split("\n");
  const python = findVersion(lines[0] ?? "");
  const version = top ? findVersion(lines[1] ?? "") : python;
  return {
    ...(python ? { python_version: python } : {}),
    measured: { version },
  };
}

/** The program under question, a process group of its own. */
let asked: Bun.Subprocess | null = null;

/** Ends a question that has no answer yet: nobody waits for it any more. */
export function stopAsking(): void {
  try {
    if (asked) process.kill(-asked.pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}

/** What a command prints, or "" when it cannot or takes too long. */
async function probe(command: string[]): Promise<string> {
  try {
    const child = Bun.spawn(command, {
      cwd: "/",
      stdio: ["ignore", "pipe", "ignore"],
      detached: true,
      timeout: PROBE_MS,
      killSignal: "SIGKILL",
      maxBuffer: 64 * 1024,
    });
    child.unref();
    asked = child;
    const text = await child.stdout.text();
    await child.exited;
    return text;
  } catch {
    // A program that cannot be asked has no version that we know.
    return "";
  } finally {
    asked = null;
  }
}
