/** Datagrams that are sent one after the other, as fast as the other end takes them. */
import { DatagramSocket } from "../os/datagram.ts";

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 200;
/** Others have their turn after so many. */
const TURN = 64;

export class Datagrams {
  private socket: DatagramSocket | null = null;

  constructor(private readonly path: string) {}

  /**
   * @param send one of them
   * @param took called with how many were sent
   * @throws Error when the other end is gone, or the signal says so
   */
  async all<T>(
    of: readonly T[],
    signal: AbortSignal,
    send: (socket: DatagramSocket, one: T) => "sent" | "full",
    took: (count: number) => void,
  ): Promise<void> {
    let pause_ms = FIRST_PAUSE_MS;
    try {
      for (let at = 0; at < of.length;) {
        signal.throwIfAborted();
        this.socket ??= DatagramSocket.connect(this.path);
        if (send(this.socket, of[at]!) === "sent") {
          took(++at);
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

  close(): void {
    this.socket?.close();
    this.socket = null;
  }
}
