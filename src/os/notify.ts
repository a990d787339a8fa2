/**
 * Tells systemd how a service is (sd_notify(3)): one datagram to the socket that
 * $NOTIFY_SOCKET names. Without that variable there is nobody to tell.
 */
import { cLibrary, libc } from "./libc.ts";

const SYMBOLS = {
  sendto: {
    args: ["i32", "ptr", "u64", "i32", "ptr", "u32"],
    returns: "i64",
  },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
} as const;

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
/** sun_path of struct sockaddr_un. */
const MAX_PATH_BYTES = 107;

/**
 * @param state `READY=1`, `STOPPING=1`, with further assignments a line each
 * @returns false when nobody wants to know, or could not be told
 */
export function notifySystemd(state: string): boolean {
  const path = process.env["NOTIFY_SOCKET"];
  if (!path || !/^[/@]/.test(path) || !libc) return false;
  const name = new TextEncoder().encode(path);
  if (name.length > MAX_PATH_BYTES) return false;
  const address = new Uint8Array(2 + name.length);
  address[0] = AF_UNIX;
  address.set(name, 2);
  // An abstract name begins with a NUL.
  if (path.startsWith("@")) address[2] = 0;
  const symbols = cLibrary(SYMBOLS);
  if (!symbols) return false;
  const fd = symbols.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const text = new TextEncoder().encode(state);
  const sent = symbols.sendto(
    ...([fd, text, text.length, MSG_NOSIGNAL] as const),
    ...([address, address.length] as const),
  );
  libc.calls.close(fd);
  return Number(sent) === text.length;
}
