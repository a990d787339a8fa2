/**
 * The hooks of one wrapped shell: what it is given so that it records its own
 * commands, and what is cleared away when it is over.
 */
import { fail, reasonOf } from "../../model/failure.ts";
import { isSessionId } from "../../model/id.ts";
import {
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_WRONLY,
  closeFile,
  isMissing,
  openFile,
} from "../../os/file.ts";
import { MemoryFolder, memoryFolderOf } from "../../os/memory-folder.ts";
import { CONFIG_VARIABLE, SESSION_ID_VARIABLE } from "../../os/parent.ts";
import { isTerminal } from "../../os/proc.ts";
import type { Program } from "../../os/spawn.ts";
import { type Entry, entryOf } from "./entry.ts";
import { type Files, ensureHooks, hooksFolder } from "./files.ts";
import { removePause } from "./pause.ts";

/** What a hook finds in its environment, beside the session's id. */
const VARIABLES = {
  hooks: "SESSION_BUDDY_HOOKS",
  spool: "SESSION_BUDDY_SPOOL",
  executable: "SESSION_BUDDY_BIN",
  memory: "SESSION_BUDDY_SHM",
  /** Written by the hooks themselves: a session's first shell finds none. */
  depth: "SESSION_BUDDY_DEPTH",
  config: CONFIG_VARIABLE,
} as const;

interface Wrapped {
  program: Program;
  /** The program and its arguments. */
  words: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  /** What the hooks are made of; null where nobody wants commands recorded. */
  files: Files | null;
  /** The data folder, and this machine's spool in it. */
  data: string;
  spool: string;
}

export class Hooks {
  private memory: MemoryFolder | null = null;
  private session_id = "";

  private constructor(
    private readonly wrapped: Wrapped,
    private readonly folder: string,
    private readonly entry: Entry,
  ) {}

  /**
   * @returns null where commands are not recorded; `trouble` where they cannot be
   */
  static prepare(wrapped: Wrapped): {
    hooks: Hooks | null;
    trouble: string | null;
  } {
    const { program, words, env, files, data } = wrapped;
    const none = { hooks: null, trouble: null };
    if (!files || !isTerminal(0)) return none;
    try {
      const folder = hooksFolder(data, files);
      const entry = entryOf(program, words, env, folder);
      if (!entry) return none;
      ensureHooks(data, files);
      return { hooks: new Hooks(wrapped, folder, entry), trouble: null };
    } catch (error) {
      return { hooks: null, trouble: reasonOf(error) };
    }
  }

  get program(): Program {
    return this.entry.program;
  }

  /** Sets what the shell finds. */
  enter(
    session_id: string,
    set: (name: string, value: string | null) => void,
  ): void {
    const { spool, env } = this.wrapped;
    this.session_id = session_id;
    if (this.entry.needs_memory)
      this.memory = MemoryFolder.make(memoryFolderOf(session_id));
    set(VARIABLES.hooks, this.folder);
    set(VARIABLES.spool, spool);
    set(VARIABLES.executable, process.execPath);
    set(VARIABLES.depth, null);
    set(VARIABLES.memory, this.memory?.path ?? null);
    set(VARIABLES.config, env[VARIABLES.config] ?? null);
    for (const [name, value] of Object.entries(this.entry.variables))
      set(name, value);
  }

  /** What else the wrapper starts is no shell to be hooked. */
  left(set: (name: string, value: string | null) => void): void {
    const { env } = this.wrapped;
    for (const name of Object.values(VARIABLES)) set(name, null);
    for (const name of Object.keys(this.entry.variables))
      set(name, env[name] ?? null);
  }

  /** The session is over. */
  end(): void {
    this.memory?.remove();
    removePause(this.wrapped.spool, this.session_id);
  }
}

/**
 * Sets what the program finds.
 * @param hooks null: an outer session's hooks are not this one's
 */
export function enterHooks(
  hooks: Hooks | null,
  env: Wrapped["env"],
  session_id: string,
  set: (name: string, value: string | null) => void,
): void {
  if (hooks) return hooks.enter(session_id, set);
  for (const name of Object.values(VARIABLES))
    if (env[name] !== undefined) set(name, null);
}

/**
 * The session whose hooks a command runs under.
 * @throws Failure (not_found) where there are none
 */
export function hookedSession(env: Wrapped["env"]): {
  spool: string;
  session_id: string;
} {
  const spool = env[VARIABLES.spool];
  const session_id = env[SESSION_ID_VARIABLE];
  if (spool?.startsWith("/") && session_id && isSessionId(session_id))
    return { spool, session_id };
  throw fail.not_found(
    "no commands are recorded here",
    "call it in a shell that session-buddy shell started",
  );
}

const NEWS =
  "session-buddy: the commands in this shell are recorded from this version on, without their secrets (not wanted: --no-commands, session.commands: false, or session-buddy pause)\n";

/** What is said once for a data folder; empty from then on. */
export function news(data: string): string {
  const path = `${data}/commands-announced`;
  if (!isMissing(path)) return "";
  try {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    closeFile(openFile(path, flags, 0o600));
    return NEWS;
  } catch {
    // Another start was faster, or nothing can be written: it says so itself.
    return "";
  }
}
