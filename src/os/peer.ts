/**
 * Finds the user of this host at the other end of a TCP connection. The kernel
 * knows the owner of that socket: it is asked for that one connection over
 * NETLINK_SOCK_DIAG (1 µs, whatever else is open), or, without FFI or such a
 * netlink, its table in /proc is searched (1.3 ms and more).
 *
 * The answer is a fact or null. A socket that no process holds any more shows
 * user 0 in both places, so it must have an inode and a state that only a held one
 * has. Nothing is cached: a moment later the port may be another user's.
 */
import type { Pointer } from "bun:ffi";
import {
  isMapped,
  isOwnAddress,
  isWildcard,
  mapped,
  parseAddress,
} from "./address.ts";
import { readProc } from "./proc.ts";
import { libc } from "./libc.ts";

export interface Endpoint {
  address: string;
  port: number;
}

/** Who is at the other end. */
export interface Peer {
  via: "tcp" | "socket";
  /** A user of this host; null when it cannot be told, or is on another host. */
  uid: number | null;
  /**
   * Without port, IPv4 without its IPv6 dress; null on the unix socket, or when
   * the peer is gone.
   */
  address: string | null;
  /** Whether it is on this host. */
  loopback: boolean;
}

const UNKNOWN: Peer = {
  ...{ via: "tcp", uid: null, address: null, loopback: false },
};

/**
 * The peer of a connection that a server of ours accepted.
 * @param remote asks the connection itself; null once it is reset
 * @param local our end of it, by its exact address
 */
export function tcpPeer(remote: () => Endpoint | null, local: Endpoint): Peer {
  const peer = remote();
  if (!peer) return UNKNOWN;
  const loopback = isOwnAddress(peer.address);
  const uid = loopback ? peerUid(peer, local) : null;
  // A request can be read after its connection was reset, and another user may
  // have taken the port by then. While ours stands, the pair of ends is its own.
  if (uid !== null && remote()?.port !== peer.port) return UNKNOWN;
  const address = peer.address.replace(/^::ffff:(?=.*\.)/i, "");
  return { via: "tcp", uid, address, loopback };
}

/** States of a connected socket that a process holds: established, FIN_WAIT 1 and 2, CLOSE_WAIT, LAST_ACK, closing. */
const HELD = [1, 4, 5, 8, 9, 11];

/** A socket as the kernel describes it. */
interface SocketRow {
  state: number;
  uid: number;
  inode: number;
}

/**
 * The user who holds the other end of a connection within this host.
 * @param peer its end, as our socket names it
 * @param local our end, the exact address: with 0.0.0.0 it is not known which
 *   of several users' connections from one port it is, and nobody is named
 * @returns null when it cannot be told, or nobody holds it any more
 */
export function peerUid(peer: Endpoint, local: Endpoint): number | null {
  const from = parseAddress(peer.address);
  const to = parseAddress(local.address);
  if (!from || !to || isWildcard(local.address)) return null;
  const query = { from, fromPort: peer.port, to, toPort: local.port };
  const row = askKernel(query) ?? searchTable(query);
  if (!row || row === "none") return null;
  const held = row.inode !== 0 && HELD.includes(row.state);
  return held && row.uid !== unmappedUid() ? row.uid : null;
}

interface Query {
  from: Uint8Array;
  fromPort: number;
  to: Uint8Array;
  toPort: number;
}

const ARM = process.arch === "arm64";
const SYS_SOCKET = ARM ? 198 : 41;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const DATAGRAM_CLOEXEC_NONBLOCK = 2 | 0o2000000 | 0o4000;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 1;
const NLMSG_ERROR = 2;
const IPPROTO_TCP = 6;
const ENOENT = 2;
const ANY_STATE = 0xffffffff;
const REQUEST_BYTES = 72;

/** Opened at the first question; -1 when there is none to be had. */
let netlink: number | null = null;
let sequence = 0;
/** Whether the kernel has ever answered: one that cannot look for TCP finds nothing either. */
let proven = false;
const request = new Uint8Array(REQUEST_BYTES);
const reply = new Uint8Array(1024);

/**
 * Asks for the one socket with these ends.
 * @returns null when the kernel cannot be asked
 */
function askKernel(query: Query): SocketRow | "none" | null {
  if (!libc) return null;
  const flags = DATAGRAM_CLOEXEC_NONBLOCK as Pointer;
  const { syscall } = libc.calls;
  netlink ??= Number(
    syscall(SYS_SOCKET, AF_NETLINK, flags, NETLINK_SOCK_DIAG, 0),
  );
  if (netlink === -1) return null;
  const { write, read } = libc.calls;
  sequence = (sequence + 1) >>> 0;
  writeRequest(query, sequence);
  if (Number(write(netlink, request, request.length)) !== request.length)
    return null;
  for (;;) {
    // The kernel answers within the write: the answer waits already.
    const got = Number(read(netlink, reply, reply.length));
    if (got <= 0) return null;
    const view = new DataView(reply.buffer, 0, got);
    if (view.getUint32(8, true) === sequence) return answerOf(view, query);
  }
}

/** struct nlmsghdr, 16 bytes, and struct inet_diag_req_v2. */
function writeRequest({ from, fromPort, to, toPort }: Query, id: number): void {
  const view = new DataView(request.buffer);
  const v4 = isMapped(from) && isMapped(to);
  view.setUint32(0, REQUEST_BYTES, true);
  view.setUint16(4, SOCK_DIAG_BY_FAMILY, true);
  view.setUint16(6, NLM_F_REQUEST, true);
  view.setUint32(8, id, true);
  request[16] = v4 ? AF_INET : AF_INET6;
  request[17] = IPPROTO_TCP;
  view.setUint32(20, ANY_STATE, true);
  view.setUint16(24, fromPort);
  view.setUint16(26, toPort);
  request.fill(0, 28, 60);
  request.set(v4 ? from.subarray(12) : from, 28);
  request.set(v4 ? to.subarray(12) : to, 44);
  // No cookie: whichever socket has these ends.
  view.setUint32(64, 0xffffffff, true);
  view.setUint32(68, 0xffffffff, true);
}

/** struct inet_diag_msg, or an error; what is not exactly the asked one is none. */
function answerOf(view: DataView, query: Query): SocketRow | "none" | null {
  const type = view.getUint16(4, true);
  if (type === NLMSG_ERROR)
    return proven && view.getInt32(16, true) === -ENOENT ? "none" : null;
  if (type !== SOCK_DIAG_BY_FAMILY || view.byteLength < 88) return "none";
  const address = (at: number) => {
    const bytes = reply.subarray(at, at + 16);
    return reply[16] === AF_INET ? mapped(bytes.subarray(0, 4)) : bytes;
  };
  proven = true;
  // A listening socket is found for want of a connected one.
  const same =
    view.getUint16(20) === query.fromPort &&
    view.getUint16(22) === query.toPort &&
    equal(address(24), query.from) &&
    equal(address(40), query.to);
  if (!same) return "none";
  const [uid, inode] = [view.getUint32(80, true), view.getUint32(84, true)];
  return { state: reply[17]!, uid, inode };
}

const equal = (a: Uint8Array, b: Uint8Array) =>
  a.every((byte, index) => byte === b[index]);

/** Looks through /proc/net/tcp{,6}, where a mapped address may be in either. */
function searchTable({ from, fromPort, to, toPort }: Query): SocketRow | null {
  const tables = [{ file: "tcp6", from, to }];
  const [from4, to4] = [from.subarray(12), to.subarray(12)];
  if (isMapped(from) && isMapped(to))
    tables.push({ file: "tcp", from: from4, to: to4 });
  const rows = tables.flatMap((table) => {
    const ends = `${hex(table.from)}:${port(fromPort)} ${hex(table.to)}:${port(toPort)} `;
    return rowsWith(readTable(table.file), ends);
  });
  return rows.length === 1 ? rows[0]! : null;
}

/** Read to its end: the kernel gives it in pieces of less than a page. */
function readTable(name: string): string {
  try {
    const { readFileSync } = process.getBuiltinModule("node:fs");
    return readFileSync(`/proc/net/${name}`, "latin1");
  } catch {
    return "";
  }
}

/** The table's rows of a pair of ends: `sl local remote st queues timer retransmits uid timeout inode`. */
function rowsWith(table: string, ends: string): SocketRow[] {
  const rows: SocketRow[] = [];
  for (
    let at = table.indexOf(ends);
    at !== -1;
    at = table.indexOf(ends, at + 1)
  ) {
    const rest = table.slice(at + ends.length, table.indexOf("\n", at));
    const fields = rest.trim().split(/ +/);
    rows.push({
      state: parseInt(fields[0]!, 16),
      uid: Number(fields[4]),
      inode: Number(fields[6]),
    });
  }
  return rows;
}

/** As the table writes an address: words of four bytes, each in the host's (little-endian) order. */
function hex(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4)
    text += bytes
      .slice(at, at + 4)
      .reverse()
      .toHex()
      .toUpperCase();
  return text;
}

const port = (number: number) =>
  number.toString(16).toUpperCase().padStart(4, "0");

/** The user that stands for all those whom our user namespace does not know; null when it knows all. */
let unmapped: number | null | undefined;
function unmappedUid(): number | null {
  if (unmapped === undefined) {
    const whole = /^\s*0\s+0\s+4294967295\s*$/.test(
      readProc("self/uid_map") ?? "",
    );
    const overflow = readProc("sys/kernel/overflowuid") ?? "65534";
    unmapped = whole ? null : Number(overflow);
  }
  return unmapped;
}
