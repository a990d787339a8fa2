/**
 * Counts this process's file descriptors, and finds those that are connections
 * which a listener of ours accepted. Without
 * FFI nothing is known of them, and nothing is done.
 */
import { type Pointer, ptr } from "bun:ffi";
import { libc } from "./libc.ts";
import type { Endpoint } from "./peer.ts";

const ARM = process.arch === "arm64";
const SYS_GETSOCKNAME = ARM ? 204 : 51;
const SYS_GETPEERNAME = ARM ? 205 : 52;
const SYS_SHUTDOWN = ARM ? 210 : 48;
const SYS_DUP3 = ARM ? 24 : 292;
const O_CLOEXEC = 0o2000000;
const SHUT_RDWR = 2;
const F_DUPFD_CLOEXEC = 1030;
const AF_INET = 2;
const AF_INET6 = 10;
/** Descriptors are given lowest first: beyond such a gap there are few. */
const GAP = 1_024;

/**
 * As many as the system allows from now on.
 * @returns how many that is; null where it is not known
 */
export function raiseDescriptorLimit(): number | null {
  if (!libc) return null;
  const [, hard] = libc.openFileLimits();
  libc.setOpenFileSoftLimit(hard);
  const [soft] = libc.openFileLimits();
  return Number(soft);
}

/** The lowest number that is free: so many are taken at least; null when none is left. */
export function lowestFree(): number | null {
  const fd = duplicate();
  if (fd !== null) release(fd);
  return fd;
}

/**
 * @param of by default that of stderr: a descriptor that only keeps its place
 * @returns null when none is left
 */
function duplicate(of = 2): number | null {
  const fd = libc!.calls.fcntl(of, F_DUPFD_CLOEXEC, 0);
  return fd === -1 ? null : fd;
}

const release = (fd: number): void => void libc!.calls.close(fd);

/** One connection, by the number of our end. */
export interface Connection {
  fd: number;
  local: Endpoint;
  remote: Endpoint;
}

/** The TCP connections that were accepted on a port of ours. */
export function connectionsOn(port: number, taken: number): Connection[] {
  const found: Connection[] = [];
  for (let fd = 3; fd < taken + GAP; fd++) {
    const local = nameOf(SYS_GETSOCKNAME, fd);
    if (local?.port !== port) continue;
    const remote = nameOf(SYS_GETPEERNAME, fd);
    if (remote) found.push({ fd, local, remote });
  }
  return found;
}

/** Ends a connection both ways; its owner sees that, and closes it. */
export function endConnection({ fd }: Connection): void {
  libc!.calls.syscall(SYS_SHUTDOWN, fd, SHUT_RDWR as Pointer, 0, 0);
}

/**
 * A socket of ours that listens: between `pause` and `resume` another file has
 * its number, and whoever accepts on it gets an error. Those who connect wait;
 * what waits on the socket for the event loop is told as before.
 */
export class ListeningSocket implements Disposable {
  private paused = false;

  private constructor(
    private readonly fd: number,
    private readonly itself: number,
    private readonly other: number,
  ) {}

  /** @returns null when it cannot be found */
  static on(port: number): ListeningSocket | null {
    const end = libc ? lowestFree() : null;
    if (end === null) return null;
    for (let fd = 3; fd < end + GAP; fd++) {
      if (nameOf(SYS_GETSOCKNAME, fd)?.port !== port) continue;
      if (nameOf(SYS_GETPEERNAME, fd)) continue;
      const itself = duplicate(fd);
      const other = duplicate();
      if (itself !== null && other !== null)
        return new ListeningSocket(fd, itself, other);
      return null;
    }
    return null;
  }

  pause(): void {
    if (!this.paused) this.paused = replace(this.fd, this.other);
  }

  resume(): void {
    if (this.paused) this.paused = !replace(this.fd, this.itself);
  }

  /** It listens until its number is closed. */
  [Symbol.dispose](): void {
    this.resume();
    release(this.itself);
    release(this.other);
  }
}

function replace(fd: number, by: number): boolean {
  const { syscall } = libc!.calls;
  return Number(syscall(SYS_DUP3, by, fd as Pointer, O_CLOEXEC, 0)) === fd;
}

const name = new Uint8Array(28);
const nameView = new DataView(name.buffer);
const nameBytes = new Uint32Array(1);

function nameOf(call: number, fd: number): Endpoint | null {
  nameBytes[0] = name.length;
  const { syscall } = libc!.calls;
  if (Number(syscall(call, fd, ptr(name), ptr(nameBytes), 0)) !== 0)
    return null;
  const family = nameView.getUint16(0, true);
  if (family !== AF_INET && family !== AF_INET6) return null;
  const address =
    family === AF_INET
      ? name.subarray(4, 8).join(".")
      : Array.from({ length: 8 }, (_, n) =>
          nameView.getUint16(8 + 2 * n).toString(16),
        ).join(":");
  return { address, port: nameView.getUint16(2) };
}
