/**
 * Keeps connections from using up the file descriptors that the spool, the database
 * and our own socket need: the last of them are no connection's. When few are left,
 * connections of other users and hosts are closed, those of the peer with most first.
 */
import {
  type Connection,
  connectionsOn,
  endConnection,
  lowestFree,
  raiseDescriptorLimit,
} from "../../os/descriptors.ts";
import { tcpPeer } from "../../os/peer.ts";
import { keyOf } from "./rate-limit.ts";

/** Descriptors in use that are many, whatever the limit is: each connection costs memory, too. */
const MANY = 16_384;
/** Kept for the spool and the database, of a limit that has as many to spare. */
const RESERVE = 64;
/** What was ended is closed by then; a look at all of them costs milliseconds. */
const LOOK_MS = 100;

export class Connections {
  private readonly limit: number | null;
  private looked = -Infinity;

  /**
   * @param uid the server's user
   * @param port where others connect; null while nobody can
   */
  constructor(
    private readonly uid: number,
    private readonly port: () => number | null,
  ) {
    this.limit = raiseDescriptorLimit();
  }

  /** Whether there are descriptors left. */
  get hasRoom(): boolean {
    return this.limit === null || lowestFree() !== null;
  }

  /**
   * Whether one more connection may be accepted. Asked at each: it costs two calls
   * of the system. When few descriptors are left, it makes room, for later.
   */
  mayAccept(): boolean {
    if (this.limit === null) return true;
    const taken = lowestFree() ?? this.limit;
    const many = Math.min(MANY, Math.floor((this.limit * 3) / 4));
    if (taken >= many) this.makeRoom(taken, many);
    return taken < this.limit - Math.min(RESERVE, this.limit / 8);
  }

  private makeRoom(taken: number, many: number): void {
    const port = this.port();
    const now = performance.now();
    if (port === null || now - this.looked < LOOK_MS) return;
    this.looked = now;
    const all = connectionsOn(port, taken);
    let left = all.length;
    for (const group of this.groups(all)) {
      if (left <= many / 2) return;
      for (const connection of group) endConnection(connection);
      left -= group.length;
    }
  }

  /** By peer: others before our user and root, and whoever has most first. */
  private groups(all: readonly Connection[]): Connection[][] {
    const groups = new Map<string, { own: boolean; of: Connection[] }>();
    for (const connection of all) {
      const { local, remote } = connection;
      const peer = tcpPeer(() => remote, local);
      const own = peer.uid === this.uid || peer.uid === 0;
      const key = keyOf(peer);
      const group = groups.get(key) ?? { own, of: [] };
      group.of.push(connection);
      groups.set(key, group);
    }
    return [...groups.values()]
      .sort(
        (a, b) => Number(a.own) - Number(b.own) || b.of.length - a.of.length,
      )
      .map(({ of }) => of);
  }
}
