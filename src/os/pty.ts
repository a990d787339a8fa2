/**
 * Opens a pseudo-terminal, and reads and sets a terminal's modes and size. Only
 * `shell --record` loads it.
 */
import { type Libc, cLibrary } from "./libc.ts";
import { cText } from "./layout.ts";
import { O_NONBLOCK, O_RDWR } from "./file.ts";

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
const TCSANOW = 0;
const TCSADRAIN = 1;
/** struct termios is 60 bytes in glibc and musl. */
const TERMIOS_BYTES = 128;
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
  /** That side, held open until the program has it. */
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

/** @returns null of what is no terminal */
export function modesOf(fd: number): Modes | null {
  const modes = new Uint8Array(TERMIOS_BYTES);
  return calls?.tcgetattr(fd, modes) === 0 ? modes : null;
}

/** Every key is a byte, and every byte is shown as it is. */
export function setRaw(fd: number, modes: Modes): void {
  const raw = Uint8Array.from(modes);
  calls!.cfmakeraw(raw);
  calls!.tcsetattr(fd, TCSADRAIN, raw);
}

/** Once what was written is shown. */
export function setModes(fd: number, modes: Modes): void {
  calls!.tcsetattr(fd, TCSADRAIN, modes);
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
