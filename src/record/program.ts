/**
 * Tells from a command line what it runs: which shell or interpreter, whether it
 * is interactive; and asks that program for its version, once it runs.
 */
import { toComponentName } from "../model/id.ts";
import type { JsonObject } from "../model/event.ts";
import type { Question } from "./outcome.ts";

export interface Program {
  /** Base name without a version: `bash`, `python`. */
  kind: string;
  /** True for a shell that completes on TAB when it talks to a person. */
  completes: boolean;
  /** The module of `python -m MODULE`. */
  python_module: string | null;
}

/** Shells that complete on TAB by themselves. */
const COMPLETING = ["bash", "zsh", "fish", "ksh", "mksh", "tcsh", "ipython"];

/** `/usr/bin/python3.11` → python, `-bash` → bash. */
export function kindOf(file: string): string {
  const name = file.slice(file.lastIndexOf("/") + 1);
  const base = name.startsWith("-") ? name.slice(1) : name;
  if (!base.includes("py")) return base;
  return /^(i?python|pypy)[\d.]*$/.exec(base)?.[1] ?? base;
}

/** @param argv the program and its arguments */
export function programOf(argv: readonly string[]): Program {
  const kind = kindOf(argv[0] ?? "");
  if (kind === "python" || kind === "pypy") return pythonProgram(argv);
  return {
    kind,
    completes: COMPLETING.includes(kind) && talksToPerson(argv.slice(1)),
    python_module: null,
  };
}

/** Options of shells that take the next word. */
const WITH_VALUE = /^([-+][oO]|--rcfile|--init-file|-C|--init-command)$/;

/** A shell reads its commands from the terminal unless it was given some. */
function talksToPerson(args: readonly string[]): boolean {
  const words = args.filter((_, i) => !WITH_VALUE.test(args[i - 1] ?? ""));
  if (words.some((word) => /^-[a-zA-Z]*c|^--command/.test(word))) return false;
  return words.every((word) => /^[-+]/.test(word)) || words.includes("-i");
}

/** Of python: options but for -m and -c, and what -m may stand behind. */
const OPTION = /^-([bBdEhiIOPqRsSuvVx?]+|[bBdEhiIOPqRsSuvVx?]*[WX].*|-.+)$/;
const TAKES_NEXT = /^(-[bBdEhiIOPqRsSuvVx?]*[WX]|--check-hash-based-pycs)$/;
/** It says something of itself, and runs nothing. */
const TELLS = /^(-[bBdEiIOPqRsSuvx]*[hV?].*|--(help|version).*)$/;
const MODULE = /^-[bBdEiIOPqRsSuvx]*m(.*)$/s;

/**
 * Python's own prompt completes; so do the shells that packages bring
 * (`python -m mahavishnu shell`, `python -m IPython`).
 */
function pythonProgram(argv: readonly string[]): Program {
  const kind = "python";
  let at = 1;
  // -W and -X take what follows, or the next word; -m and -c end the options.
  while (OPTION.test(argv[at] ?? "")) at += TAKES_NEXT.test(argv[at]!) ? 2 : 1;
  const rest = argv.slice(at);
  const tells = argv.slice(1, at).some((word) => TELLS.test(word));
  const module = tells ? null : MODULE.exec(rest[0] ?? "");
  if (!module) {
    const prompt = rest.length === 0 || argv.slice(0, at).includes("-i");
    return { kind, completes: prompt, python_module: null };
  }
  const named = module[1] || (rest[1] ?? "");
  // Anything else is no module, and may be anything.
  const name = /^[\w.]+$/.test(named) ? named : "";
  const completes = name === "IPython" || rest.includes("shell");
  return { kind, completes, python_module: name || null };
}

/** `python -m mahavishnu shell` → mahavishnu, `/usr/bin/python3.11` → python. */
export function inferComponent(argv: readonly string[]): string {
  const { kind, python_module } = programOf(argv);
  return toComponentName(python_module?.split(".")[0] || kind);
}

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

/** The first thing in a text that looks like a version: `5.2.15(1)-release`. */
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
