/**
 * How a plain interactive shell is brought to read our hook: by which words and
 * variables. What is given anything to run, or told to leave startup files alone,
 * is not touched.
 */
import type { Program } from "../../os/spawn.ts";
import { kindOf } from "../program.ts";

export interface Entry {
  program: Program;
  /** Set in the shell's environment; the hook takes away again what is not for its children. */
  variables: Readonly<Record<string, string>>;
  /** It reads its last history entry back from a file in memory. */
  needs_memory: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

interface Asked {
  program: Program;
  /** The words after the program's name. */
  args: readonly string[];
  login: boolean;
  env: Environment;
  /** The hooks' folder. */
  folder: string;
}

/** Options that leave a shell a plain interactive one. */
const PLAIN = /^(-[il]+|--login)$/;
const PLAIN_LONG = /^(-[il]+|--(login|interactive))$/;
/** Of python: none that runs a module or a text, or reads no variables (-E, -I, -P). */
const PLAIN_PYTHON = /^-[bBdiOqsSuvx]+$/;
const PLAIN_IPYTHON = /^--[a-z][\w-]*$/;

const all = (args: readonly string[], plain: RegExp) =>
  args.every((word) => plain.test(word));

const BY_SHELL: Record<string, (asked: Asked) => Entry | null> = {
  bash({ program, args, login, env, folder }) {
    // In posix mode from the start, it would read $ENV and not our file.
    if (!all(args, PLAIN) || env["POSIXLY_CORRECT"] !== undefined) return null;
    if (!login)
      return {
        program: withWords(program, "--rcfile", `${folder}/rc.bash`),
        variables: {},
        needs_memory: true,
      };
    // A login shell takes no --rcfile. In posix mode it reads $ENV alone, which
    // leaves that mode and does what a login shell does.
    return {
      program: withWords(program, "--posix"),
      variables: { ...kept(env, "ENV"), ENV: `${folder}/env.bash` },
      needs_memory: true,
    };
  },
  zsh({ program, args, env, folder }) {
    if (!all(args, PLAIN_LONG)) return null;
    const variables = { ...kept(env, "ZDOTDIR"), ZDOTDIR: `${folder}/zdot` };
    return { program, variables, needs_memory: false };
  },
  fish({ program, args, folder }) {
    if (!all(args, PLAIN_LONG)) return null;
    // In fish's single quotes only these two are special.
    const path = `${folder}/hook.fish`.replace(/[\\']/g, "\\$&");
    return {
      program: withWords(program, "-C", `source '${path}'`),
      variables: {},
      needs_memory: false,
    };
  },
  python: pythonEntry,
  pypy: pythonEntry,
  ipython(asked) {
    return all(asked.args, PLAIN_IPYTHON) ? byStartup(asked) : null;
  },
};

function pythonEntry(asked: Asked): Entry | null {
  const module = asked.args.indexOf("-m");
  const own = module < 0 ? asked.args : asked.args.slice(0, module);
  const rest = module < 0 ? [] : asked.args.slice(module + 1);
  if (!all(own, PLAIN_PYTHON)) return null;
  const plain = rest.length === 0 ? module < 0 : rest[0] === "IPython";
  return plain && all(rest.slice(1), PLAIN_IPYTHON) ? byStartup(asked) : null;
}

const byStartup = ({ program, env, folder }: Asked): Entry => ({
  program,
  variables: {
    ...kept(env, "PYTHONSTARTUP"),
    PYTHONSTARTUP: `${folder}/hook.py`,
  },
  needs_memory: false,
});

/** The user's own value, for the hook to give back. */
function kept(env: Environment, name: string): Record<string, string> {
  const value = env[name];
  return value === undefined ? {} : { [`SESSION_BUDDY_${name}`]: value };
}

const encoder = new TextEncoder();

const withWords = ({ file, argv }: Program, ...words: string[]): Program => ({
  file,
  argv: [
    argv[0]!,
    ...words.map((word) => encoder.encode(word)),
    ...argv.slice(1),
  ],
});

/**
 * @param words the program and its arguments
 * @returns null where it is no plain interactive shell that we have a hook for
 */
export function entryOf(
  program: Program,
  words: readonly string[],
  env: Environment,
  folder: string,
): Entry | null {
  const [name = "", ...args] = words;
  const login =
    name.startsWith("-") || args.some((word) => /^-\w*l|^--login/.test(word));
  const asked = { program, args, login, env, folder };
  return BY_SHELL[kindOf(name)]?.(asked) ?? null;
}
