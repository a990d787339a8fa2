/**
 * Opens a pseudo-terminal, and reads and sets a terminal's modes and size. Only
 * `shell --record` loads it.
 */
import { POLLIN } from "./constants.ts";
import { type Libc, cLibrary } from "./libc.ts";
import { cText } from "./layout.ts";
import { O_NONBLOCK, O_RDWR, O_WRONLY } from "./file.ts";

const SYMBOLS = {
  cfmakeraw: { args: ["ptr"], returns: "void" },
  ftruncate: { args: ["i32", "i64"], returns: "i32" },
  grantpt: { args: ["i32"], returns: "i32" },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  posix_openpt: { args: ["i32"], returns: "i32" },
  ptsname_r: { args: ["i32", "ptr", "u64"], returns: "i32" },
  tcgetattr: { args: ["i32", "ptr"], returns: "i32" },
  tcsetattr: { args: ["i32", "i32", "ptr"], returns: "i32" },
  unlockpt: { args: ["i32"], returns: "i32" },
} as const;
const calls = cLibrary(SYMBOLS);

const O_NOCTTY = 0o400;
const O_CLOEXEC = 0o2000000;
const F_GETFL = 3;
const F_SETFL = 4;
const TIOCGWINSZ = 0x5413n;
const TIOCSWINSZ = 0x5414n;
const TIOCGDEV = 0x80045432n;
const TIOCSTI = 0x5412n;
const QUEUE_BYTES = 128 * 1024;
const TCSANOW = 0;
/** struct termios is 60 bytes in glibc and musl. */
const TERMIOS_BYTES = 60;
/** Of `c_lflag` and of `c_cc` in it. */
const LOCAL_MODES_AT = 12;
export const ISIG = 0o1;
export const ICANON = 0o2;
export const ECHO = 0o10;
export const IEXTEN = 0o100000;
const OUTPUT_MODES_AT = 4;
const OPOST_ONLCR = 0o5;
const ICRNL = 0o400;
const KEYS_AT = 17;
const NAME_BYTES = 128;
/** Where a terminal says no size. */
const USUAL = { columns: 80, rows: 24 };

export interface Size {
  columns: number;
  rows: number;
}

/** A terminal's modes, as the C library has them. */
export type Modes = Uint8Array;

export interface Pty {
  /** The side of whoever shows it; it never blocks. */
  master: number;
  /** Where the program's side is opened. */
  path: string;
  /** That side, held open: else it would be gone whenever nobody has it. */
  slave: number;
}

/** @returns null where there is none to be had: no /dev/pts, no descriptors, no JIT */
export function openPty(c: Libc, modes: Modes, size: Size): Pty | null {
  if (!calls) return null;
  const master = calls.posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master === -1) return null;
  const name = new Uint8Array(NAME_BYTES);
  const ready =
    calls.grantpt(master) === 0 &&
    calls.unlockpt(master) === 0 &&
    calls.ptsname_r(master, name, NAME_BYTES) === 0;
  const path = new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
  const slave = ready
    ? c.calls.open(cText(path), O_RDWR | O_NOCTTY | O_CLOEXEC, 0)
    : -1;
  if (slave === -1) {
    c.calls.close(master);
    return null;
  }
  calls.tcsetattr(slave, TCSANOW, modes);
  setSize(master, size);
  const flags = c.calls.fcntl(master, F_GETFL, 0);
  c.calls.fcntl(master, F_SETFL, flags | O_NONBLOCK);
  return { master, path, slave };
}

/** Room for them. */
export const emptyModes = (): Modes => new Uint8Array(TERMIOS_BYTES);

/**
 * @param modes is overwritten with them
 * @returns null of what is no terminal
 */
export function modesOf(fd: number, modes = emptyModes()): Modes | null {
  return calls?.tcgetattr(fd, modes) === 0 ? modes : null;
}

/** ISIG, ICANON, ECHO and the like. */
export function localModes(modes: Modes): number {
  // A view of its own would cost more than all else that a key does.
  let flags = 0;
  for (let i = 3; i >= 0; i--)
    flags = (flags << 8) | modes[LOCAL_MODES_AT + i]!;
  return flags >>> 0;
}

/** The key of a function, VINTR and the like; 0: none has it. */
export const keyOf = (modes: Modes, which: number): number =>
  modes[KEYS_AT + which]!;

/** The same, but that lines are edited, echoed, and shown as lines: as a program expects it. */
export function lineModes(modes: Modes): Modes {
  const made = Uint8Array.from(modes);
  const view = new DataView(made.buffer);
  const add = (at: number, flags: number) =>
    view.setUint32(at, view.getUint32(at, true) | flags, true);
  add(0, ICRNL);
  add(OUTPUT_MODES_AT, OPOST_ONLCR);
  add(LOCAL_MODES_AT, ISIG | ICANON | ECHO | IEXTEN);
  return made;
}

/** The same, but that every key is a byte, and every byte is shown as it is. */
export function rawModes(modes: Modes): Modes {
  const raw = Uint8Array.from(modes);
  calls!.cfmakeraw(raw);
  return raw;
}

/** At once: what was written was made what is shown by then, and nothing is waited for. */
export function setModes(fd: number, modes: Modes): void {
  calls!.tcsetattr(fd, TCSANOW, modes);
}

/** Gives a terminal the modes back that it had before `rawModes` of them, if it has those still. */
export function leaveRaw(fd: number, modes: Modes): void {
  const now = modesOf(fd);
  if (now && Buffer.from(rawModes(modes)).equals(now)) setModes(fd, modes);
}

/**
 * An open terminal once more, in a way that nobody waits for it.
 * @returns null where it may not be opened (after `su`, say)
 */
export function reopened(c: Libc, fd: number): number | null {
  const flags = O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK;
  const made = c.calls.open(cText(`/proc/self/fd/${fd}`), flags, 0);
  return made === -1 ? null : made;
}

/** Whatever keys that were passed on do, such as their echo, is done; the kernel does it later else. */
export function settleKeys(c: Libc, { slave }: Pty): void {
  c.calls.poll(Int32Array.from([slave, POLLIN]), 1, 0);
}

/** The keys that nobody has read, also of a line that is not over. */
export function unreadKeys(c: Libc, { slave }: Pty, modes: Modes): Uint8Array {
  const keys = new Uint8Array(QUEUE_BYTES);
  setModes(slave, rawModes(modes));
  c.calls.fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
  let length = 0;
  for (;;) {
    const rest = keys.subarray(length);
    const got = c.calls.read(slave, rest, rest.length);
    if (got <= 0) return keys.subarray(0, length);
    length += got;
  }
}

/** Types keys into our terminal where the kernel lets us. When a person did, they were shown, and signals sent. */
export function typeAgain(fd: number, keys: Uint8Array, modes: Modes): void {
  const unseen = Uint8Array.from(modes);
  const flags = localModes(modes) & ~(ECHO | ISIG);
  new DataView(unseen.buffer).setUint32(LOCAL_MODES_AT, flags, true);
  setModes(fd, unseen);
  for (let at = 0; at < keys.length; at++)
    if (calls!.ioctl(fd, TIOCSTI, keys.subarray(at, at + 1)) !== 0) break;
  setModes(fd, modes);
}

/** Which terminal it is, by whatever name it was opened; null where nobody says. */
export function deviceOf(fd: number): number | null {
  const device = new Uint32Array(1);
  return calls?.ioctl(fd, TIOCGDEV, device) === 0 ? device[0]! : null;
}

export function sizeOf(fd: number): Size {
  const size = new Uint16Array(4);
  if (calls?.ioctl(fd, TIOCGWINSZ, size) !== 0) return USUAL;
  const [rows, columns] = size;
  return { columns: columns || USUAL.columns, rows: rows || USUAL.rows };
}

/** Whoever is in its foreground is told. */
export function setSize(fd: number, { columns, rows }: Size): void {
  calls!.ioctl(fd, TIOCSWINSZ, Uint16Array.from([rows, columns, 0, 0]));
}

/** Cuts an open file to a length. */
export function truncate(fd: number, bytes: number): void {
  calls?.ftruncate(fd, BigInt(bytes));
}
