/**
 * Starts programs through the C library: argv byte for byte, the environment as the
 * kernel gave it to us, the signal mask that we were started with; and decodes what
 * wait4(2) says of them.
 */
import { type Pointer, ptr, read } from "bun:ffi";
import { O_RDONLY, O_RDWR, O_WRONLY } from "./file.ts";
import {
  CStrings,
  allSignalsBut,
  cString,
  cText,
  signalSet,
} from "./layout.ts";
import type { Libc } from "./libc.ts";
import { SIGNALS } from "./signals.ts";

const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const SETSID = 0x80;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const SIG_SETMASK = 2;
/** All that have a disposition. */
const ALL = allSignalsBut([SIGNALS.SIGKILL, SIGNALS.SIGSTOP]);
const encoder = new TextEncoder();

export interface Program {
  /** Looked up on PATH when it holds no slash. */
  file: Uint8Array;
  /** Bytes without NUL, passed as they are, argv[0] included. */
  argv: readonly Uint8Array[];
}

/** Sets a variable in what programs that are started from now on find. */
export function setVariable(c: Libc, name: string, value: string | null): void {
  const key = cText(name);
  // All of that name: setenv(3) changes the first alone.
  c.calls.unsetenv(key);
  if (value !== null) c.calls.setenv(key, cText(value), 1);
}

/** The C library's own array: it is what the kernel gave us, word for word. */
export const environment = (c: Libc) =>
  read.ptr(c.calls.dlsym(null, cText("environ")) as Pointer, 0) as Pointer;

/**
 * Starts a program on the descriptors, terminal and process group of this
 * process, with the signal mask that this process was given.
 * @param defaults signals that it shall not find ignored
 * @param terminal in whose place ours is not: its path; the program leads a session of its own there
 * @returns its pid, or the errno of what failed
 */
export function spawn(
  c: Libc,
  program: Program,
  defaults: readonly number[],
  terminal: string | null = null,
): { pid: number } | { errno: number } {
  const argv = new CStrings(program.argv);
  const pid = new Int32Array(1);
  const path = terminal === null ? null : cText(terminal);
  const actions = path && onTerminal(c, path);
  const flags = path ? SETSID : 0;
  const errno = c.calls.posix_spawnp(
    ...([pid, cString(program.file), actions] as const),
    ...([attributes(c, signalSet(defaults), flags), argv.pointers] as const),
    environment(c),
  );
  return errno === 0 ? { pid: pid[0]! } : { errno };
}

/** Each standard descriptor that is a terminal is that one, opened by who leads a session: it is its own then. */
function onTerminal(c: Libc, path: Uint8Array): Uint8Array {
  const { calls } = c;
  const actions = new Uint8Array(512);
  calls.posix_spawn_file_actions_init(actions);
  for (const fd of [0, 1, 2])
    if (c.isatty(fd))
      calls.posix_spawn_file_actions_addopen(actions, fd, path, O_RDWR, 0);
  return actions;
}

/**
 * A program of our own beside the child: in a session of its own, in the root
 * folder, with no input, and heard by nobody or by us alone.
 * @returns what posix_spawnp(3) takes, and the folders to start it between
 * @param stdout where it writes to; null: nowhere
 */
export function prepareAside(
  c: Libc,
  words: readonly string[],
  argv0: string,
  stdout: number | null,
  stdin: number | null = null,
) {
  const { calls } = c;
  const actions = new Uint8Array(512);
  const nowhere = cText("/dev/null");
  calls.posix_spawn_file_actions_init(actions);
  const open = (fd: number, flags: number) =>
    calls.posix_spawn_file_actions_addopen(actions, fd, nowhere, flags, 0);
  if (stdin === null) open(0, O_RDONLY);
  else calls.posix_spawn_file_actions_adddup2(actions, stdin, 0);
  if (stdout === null) open(1, O_WRONLY);
  else calls.posix_spawn_file_actions_adddup2(actions, stdout, 1);
  open(2, O_WRONLY);
  const argv = new CStrings(
    [argv0, ...words.slice(1)].map((word) => encoder.encode(word)),
  );
  return {
    ...{ actions, nowhere, argv, pid: new Int32Array(1) },
    ...{ attr: attributes(c, ALL, SETSID), file: cText(words[0]!) },
    ...{ here: cText("."), root: cText("/") },
  };
}

/** @returns its pid, or null when there is no process to be had */
export function spawnAside(
  c: Libc,
  ...args: Parameters<typeof prepareAside> extends [Libc, ...infer Rest]
    ? Rest
    : never
): number | null {
  const { calls } = c;
  const { pid, file, actions, attr, argv, here, root } = prepareAside(
    c,
    ...args,
  );
  const back = calls.open(here, O_PATH | O_CLOEXEC, 0);
  // Where nobody can come back from, nothing is started.
  if (back === -1) return null;
  calls.chdir(root);
  const environ = environment(c);
  const { pointers } = argv;
  const errno = calls.posix_spawnp(pid, file, actions, attr, pointers, environ);
  calls.fchdir(back);
  calls.close(back);
  return errno === 0 ? pid[0]! : null;
}

function attributes(
  c: Libc,
  defaults: BigUint64Array,
  flags: number,
): Uint8Array {
  const { calls } = c;
  const attr = new Uint8Array(512);
  calls.posix_spawnattr_init(attr);
  calls.posix_spawnattr_setsigdefault(attr, defaults);
  calls.posix_spawnattr_setsigmask(attr, c.inheritedMask);
  calls.posix_spawnattr_setflags(attr, SETSIGDEF | SETSIGMASK | flags);
  return attr;
}

/**
 * Becomes a program: it runs in our place, as we were started.
 * @param defaults signals that it shall not find ignored
 * @returns only when that fails: the errno
 */
export function become(
  c: Libc,
  { file, argv }: Program,
  defaults: readonly number[],
): { errno: number } {
  for (const signal of defaults) c.defaultSignal(signal);
  c.calls.sigprocmask(SIG_SETMASK, c.inheritedMask, null);
  const args = new CStrings(argv);
  c.calls.execvp(cString(file), args.pointers);
  return { errno: c.errno() };
}

/** A file without a first line is the shell's, as for execvp(3) and every shell. */
export function asScript({ file, argv }: Program): Program {
  const sh = encoder.encode("/bin/sh");
  const found = file.includes(0x2f)
    ? null
    : Bun.which(new TextDecoder().decode(file));
  const script = found === null ? file : encoder.encode(found);
  return { file: sh, argv: [sh, script, ...argv.slice(1)] };
}

/** @returns the reading end, which never blocks, and the writing end; null: none to be had */
export function pipe(c: Libc): { from: number; to: number } | null {
  const ends = new Int32Array(2);
  if (c.calls.pipe2(ptr(ends), O_CLOEXEC) !== 0) return null;
  const [from, to] = ends as unknown as [number, number];
  c.calls.fcntl(from, F_SETFL, O_NONBLOCK);
  return { from, to };
}

const F_SETFL = 4;

/** What became of a child: stopped, or gone with what it used. */
export type ChildChange =
  | { kind: "stopped"; signal: number }
  | {
      kind: "exited";
      exit_code: number | null;
      signal: number | null;
      usage: Usage;
    };

/** struct rusage, of a child and of the descendants that it waited for. */
export interface Usage {
  cpu_user_seconds: number;
  cpu_system_seconds: number;
  max_rss_bytes: number;
  /** Of block devices. */
  read_bytes: number;
  written_bytes: number;
}

/** In which the kernel counts input and output, whatever a device's own are. */
export const BLOCK_BYTES = 512;

/** Decodes what wait4(2) gives. @param usage struct rusage */
export function decodeStatus(
  status: number,
  usage: BigInt64Array,
): ChildChange {
  if ((status & 0xff) === 0x7f)
    return { kind: "stopped", signal: (status >> 8) & 0xff };
  const signal = status & 0x7f;
  const seconds = (at: number) =>
    Number(usage[at]) + Number(usage[at + 1]) / 1e6;
  return {
    kind: "exited",
    exit_code: signal ? null : (status >> 8) & 0xff,
    signal: signal || null,
    usage: {
      cpu_user_seconds: seconds(0),
      cpu_system_seconds: seconds(2),
      max_rss_bytes: Number(usage[4]) * 1024,
      read_bytes: Number(usage[11]) * BLOCK_BYTES,
      written_bytes: Number(usage[12]) * BLOCK_BYTES,
    },
  };
}
