/**
 * systemd's journal, by its own protocol: a datagram an event, with a field a line. A
 * value goes with its length, so nothing in it is another field.
 */
import type { JournaldDestination } from "../config/destinations.ts";
import { Datagrams } from "./datagrams.ts";
import type { Destination, Outgoing } from "./destination.ts";
import { isWarning, lineOf, sentenceOf } from "./line.ts";

const WARNING = "4";
const INFORMATION = "6";

export class Journald implements Destination {
  private readonly datagrams: Datagrams;

  constructor({ socket }: JournaldDestination) {
    this.datagrams = new Datagrams(socket);
  }

  deliver(
    events: readonly Outgoing[],
    signal: AbortSignal,
    took: (count: number) => void,
  ): Promise<void> {
    return this.datagrams.all(
      ...([events, signal] as const),
      (socket, event) => {
        const bytes = entryOf(event);
        const sent = socket.send(bytes);
        if (sent !== "long") return sent;
        return socket.sendAsFile(bytes) === "sent" ? "sent" : "full";
      },
      took,
    );
  }

  close(): void {
    this.datagrams.close();
  }
}

function entryOf(outgoing: Outgoing): Buffer {
  const { event, seq } = outgoing;
  const { event_id, session_id, event_type, timestamp } = event;
  const fields = {
    MESSAGE: sentenceOf(event),
    PRIORITY: isWarning(event) ? WARNING : INFORMATION,
    SYSLOG_IDENTIFIER: "session-buddy",
    SESSION_BUDDY_EVENT_ID: event_id,
    SESSION_BUDDY_EVENT_TYPE: event_type,
    SESSION_BUDDY_SESSION_ID: session_id,
    SESSION_BUDDY_TIMESTAMP: timestamp,
    SESSION_BUDDY_SEQ: String(seq),
    SESSION_BUDDY_JSON: lineOf(outgoing),
  };
  return Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => {
      const bytes = Buffer.from(value);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(bytes.length));
      return [Buffer.from(`${name}\n`), length, bytes, Buffer.from("\n")];
    }),
  );
}
