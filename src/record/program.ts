/**
 * What a command line is going to run, as far as its words tell: which shell
 * or interpreter, whether it will talk to a person, and whose version counts.
 */
import { toComponentName } from "../model/id.ts";

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
const MODULE = /^-[bBdEhiIOPqRsSuvVx?]*m(.*)$/s;

/**
 * Python's own prompt completes; so do the shells that packages bring
 * (`python -m mahavishnu shell`, `python -m IPython`).
 */
function pythonProgram(argv: readonly string[]): Program {
  const kind = "python";
  let at = 1;
  // -W and -X take what follows, or the next word; -m and -c end the options.
  while (OPTION.test(argv[at] ?? ""))
    at += /^-[a-zA-Z?]*[WX]$/.test(argv[at]!) ? 2 : 1;
  const rest = argv.slice(at);
  const module = MODULE.exec(rest[0] ?? "");
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
