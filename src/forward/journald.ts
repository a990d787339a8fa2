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

export const journaldOf = ({ socket }: JournaldDestination): Destination =>
  new Datagrams(socket, (to, event) => {
    const bytes = entryOf(event);
    const sent = to.send(bytes);
    if (sent !== "long") return sent;
    return to.sendAsFile(bytes) === "sent" ? "sent" : "full";
  });

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
