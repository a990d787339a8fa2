/**
 * Datagrams to a unix socket, as logs are sent on a host. Never waits: what does not
 * fit into the other end's queue just now is said to be so. The runtime has none.
 */
import { ptr } from "bun:ffi";
import { cLibrary, libc } from "./libc.ts";

const SYMBOLS = {
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  memfd_create: { args: ["ptr", "u32"], returns: "i32" },
  send: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  sendmsg: { args: ["i32", "ptr", "i32"], returns: "i64" },
  setsockopt: {
    args: ["i32", "i32", "i32", "ptr", "u32"],
    returns: "i32",
  },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
} as const;

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MFD_CLOEXEC_SEALABLE = 3;
const F_ADD_SEALS = 1033;
/** No further seal, and no change of size or content. */
const ALL_SEALS = 1 | 2 | 4 | 8;
/** sun_path of struct sockaddr_un. */
const MAX_PATH_BYTES = 107;
/** As large as one may be, if the kernel allows that. */
const SEND_BUFFER_BYTES = 8 * 1024 * 1024;

const ERRNO: Readonly<Record<number, string>> = {
  2: "ENOENT",
  11: "EAGAIN",
  13: "EACCES",
  22: "EINVAL",
  32: "EPIPE",
  90: "EMSGSIZE",
  91: "EPROTOTYPE",
  104: "ECONNRESET",
  105: "ENOBUFS",
  107: "ENOTCONN",
  111: "ECONNREFUSED",
};

const encoder = new TextEncoder();

type Calls = NonNullable<ReturnType<typeof cLibrary<typeof SYMBOLS>>>;
let bound: Calls | null = null;

/** Bound once, when first wanted; null where there is no FFI. */
const bind = () => (bound ??= libc && cLibrary(SYMBOLS));

/** `full`: later perhaps; `long`: never in one datagram. */
export type Sent = "sent" | "full" | "long";

export class DatagramSocket {
  private constructor(
    private readonly fd: number,
    private readonly calls: Calls,
    private readonly path: string,
  ) {}

  /** @throws Error with `code`, when nobody listens there or there is no FFI */
  static connect(path: string): DatagramSocket {
    const calls = bind();
    if (!calls)
      throw new Error(
        "the engine may not compile code here, so no datagram can be sent (in a systemd unit set MemoryDenyWriteExecute=no)",
      );
    const name = encoder.encode(path);
    if (name.length > MAX_PATH_BYTES)
      throw new Error(`the path '${path}' is too long for a socket`);
    const address = new Uint8Array(3 + name.length);
    address[0] = AF_UNIX;
    address.set(name, 2);
    const fd = calls.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) throw failed("socket", path);
    const size = new Int32Array([SEND_BUFFER_BYTES]);
    calls.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, ptr(size), 4);
    const socket = new DatagramSocket(fd, calls, path);
    if (calls.connect(fd, ptr(address), address.length) === 0) return socket;
    const error = failed("connect to", path);
    socket.close();
    throw error;
  }

  /** @throws Error with `code`, when the other end is gone */
  send(bytes: Uint8Array): Sent {
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const sent = this.calls.send(this.fd, ptr(bytes), bytes.length, flags);
    return this.result(Number(sent), "send to");
  }

  /**
   * Sends the descriptor of a sealed file in memory in place of what is too long, as
   * journald takes it. @throws Error with `code`
   */
  sendAsFile(bytes: Uint8Array): Sent {
    const { calls } = this;
    const name = encoder.encode("session-buddy\0");
    const file = calls.memfd_create(ptr(name), MFD_CLOEXEC_SEALABLE);
    if (file < 0) throw failed("make a file in memory for", this.path);
    try {
      for (let at = 0; at < bytes.length;) {
        const rest = bytes.subarray(at);
        const wrote = libc!.calls.write(file, rest, rest.length);
        if (wrote <= 0) throw failed("fill a file in memory for", this.path);
        at += wrote;
      }
      libc!.calls.fcntl(file, F_ADD_SEALS, ALL_SEALS);
      // struct cmsghdr with one descriptor, and struct msghdr around it.
      const control = new DataView(new ArrayBuffer(24));
      control.setBigUint64(0, 20n, true);
      control.setInt32(8, SOL_SOCKET, true);
      control.setInt32(12, SCM_RIGHTS, true);
      control.setInt32(16, file, true);
      const message = new DataView(new ArrayBuffer(56));
      message.setBigUint64(32, BigInt(ptr(control)), true);
      message.setBigUint64(40, 24n, true);
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      const sent = calls.sendmsg(this.fd, ptr(message), flags);
      return this.result(Number(sent), "send to");
    } finally {
      libc!.calls.close(file);
    }
  }

  close(): void {
    libc!.calls.close(this.fd);
  }

  private result(sent: number, what: string): Sent {
    if (sent >= 0) return "sent";
    const error = failed(what, this.path);
    if (error.code === "EMSGSIZE") return "long";
    if (error.code === "EAGAIN" || error.code === "ENOBUFS") return "full";
    throw error;
  }
}

function failed(what: string, path: string): Error & { code: string } {
  const errno = libc!.errno();
  const code = ERRNO[errno] ?? `errno ${errno}`;
  const error = new Error(`cannot ${what} '${path}': ${code}`);
  return Object.assign(error, { code });
}
