/**
 * Keeps connections from using up the file descriptors that the spool, the database
 * and our own socket need. When few are left, connections of other users and hosts
 * are closed, those of the peer with most first; some descriptors are reserved for
 * that moment.
 */
import {
  type Connection,
  connectionsOn,
  duplicate,
  endConnection,
  lowestFree,
  raiseDescriptorLimit,
  release,
} from "../../os/descriptors.ts";
import { tcpPeer } from "../../os/peer.ts";
import { keyOf } from "./rate-limit.ts";

/** Descriptors in use that are many, whatever the limit is: each connection costs memory, too. */
const MANY = 16_384;
/** Held back for the spool and the database. */
const SPARE = 32;
/** What was ended is closed by then; a look at all of them costs milliseconds. */
const LOOK_MS = 100;
/** Between two looks at how many are taken, but for who is about to open one. */
const COUNT_MS = 10;

export class Connections {
  private readonly limit: number | null;
  private spare: number[] = [];
  private looked = -Infinity;
  private counted = -Infinity;

  /**
   * @param uid the server's user
   * @param port where others connect; null while nobody can
   */
  constructor(
    private readonly uid: number,
    private readonly port: () => number | null,
  ) {
    this.limit = raiseDescriptorLimit();
    if (this.limit !== null) this.holdBack();
  }

  /** Whether there are descriptors left. */
  get hasRoom(): boolean {
    return this.limit === null || lowestFree() !== null;
  }

  /** For every request, for it is cheap: as `makeRoom`, a hundred times a second. */
  relieve(): void {
    if (performance.now() - this.counted >= COUNT_MS) this.makeRoom();
  }

  /** When few descriptors are left, makes room. */
  makeRoom(): void {
    this.counted = performance.now();
    if (this.limit === null) return;
    const many = Math.min(MANY, Math.floor((this.limit * 3) / 4));
    const taken = lowestFree();
    if (taken !== null && taken < many) return this.holdBack();
    // What is about to be opened cannot wait until those connections are closed.
    if (taken === null) this.letGo();
    const port = this.port();
    if (port === null || this.counted - this.looked < LOOK_MS) return;
    this.looked = this.counted;
    const all = connectionsOn(port, taken ?? this.limit);
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

  private holdBack(): void {
    while (this.spare.length < SPARE) {
      const fd = duplicate();
      if (fd === null) return;
      this.spare.push(fd);
    }
  }

  private letGo(): void {
    for (const fd of this.spare) release(fd);
    this.spare = [];
  }
}
