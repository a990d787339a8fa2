/** A destination that takes a datagram an event, as fast as its other end does. */
import { DatagramSocket } from "../os/datagram.ts";
import type { Destination, Outgoing } from "./destination.ts";

/**
 * journald throws away, without a word to the sender, what a service sends beyond 10,000
 * messages in 30 s: so many at once, and so many a second from then on, stay below.
 */
const AT_ONCE = 2_000;
const A_SECOND = 250;

const FIRST_PAUSE_MS = 5;
/** A few are sent in one go then. */
const ROOM_MS = 40;
const LONGEST_PAUSE_MS = 200;
/** Others have their turn after so many. */
const TURN = 64;

export class Datagrams implements Destination {
  private socket: DatagramSocket | null = null;
  /** How many may be sent now, as of a moment. */
  private room = AT_ONCE;
  private as_of = performance.now();

  /**
   * @param path of the socket
   * @param send sends an event, however long it is
   */
  constructor(
    private readonly path: string,
    private readonly send: (
      socket: DatagramSocket,
      event: Outgoing,
    ) => "sent" | "full",
  ) {}

  async deliver(
    events: readonly Outgoing[],
    signal: AbortSignal,
    took: (count: number) => void,
  ): Promise<void> {
    let pause_ms = FIRST_PAUSE_MS;
    try {
      for (let at = 0; at < events.length;) {
        signal.throwIfAborted();
        if (!this.hasRoom()) {
          await Bun.sleep(ROOM_MS);
          continue;
        }
        this.socket ??= DatagramSocket.connect(this.path);
        if (this.send(this.socket, events[at]!) === "sent") {
          took(++at);
          this.room--;
          pause_ms = FIRST_PAUSE_MS;
          if (at % TURN === 0) await Bun.sleep(0);
          continue;
        }
        await Bun.sleep(pause_ms);
        pause_ms = Math.min(LONGEST_PAUSE_MS, pause_ms * 2);
      }
    } catch (error) {
      // It may listen anew.
      this.close();
      throw error;
    }
  }

  private hasRoom(): boolean {
    const now = performance.now();
    const more = ((now - this.as_of) * A_SECOND) / 1_000;
    this.room = Math.min(AT_ONCE, this.room + more);
    this.as_of = now;
    return this.room >= 1;
  }

  close(): void {
    this.socket?.close();
    this.socket = null;
  }
}
