/**
 * Syslog by RFC 5424: datagrams to a unix socket, or frames with their length (RFC 5425,
 * 6587) over TCP, with TLS unless it is this host.
 *
 * Nobody answers in syslog. Over TCP a delivery has a connection of its own: we end our
 * half, and what the other end has read to its end, so that it ends its own half in good
 * order, counts as delivered. One that dies with something unread resets the connection;
 * one that dies over what it has read seems to end in good order. So the last delivery
 * goes out once more when the next one fails.
 */
import { readFileSync } from "node:fs";
import { type Socket, connect as connectTcp, isIP } from "node:net";
import { hostname } from "node:os";
import { connect as connectTls } from "node:tls";
import {
  FACILITIES,
  type SyslogDestination,
  syslogAddress,
} from "../config/destinations.ts";
import { readTrusted } from "../os/trust.ts";
import { Datagrams } from "./datagrams.ts";
import type { Destination, Outgoing } from "./destination.ts";
import { asciiOf, isWarning, lineOf, shortLine } from "./line.ts";

const WARNING = 4;
const INFORMATION = 6;
/** A connection costs more than a write. */
const LINGER_MS = 1_000;
const VERSION_1 = "1";

/** What RFC 5424 has before the text; each part is of printable ASCII. */
function headerOf(facility: number, { event }: Outgoing): string {
  const severity = isWarning(event) ? WARNING : INFORMATION;
  const part = (text: string, most: number) =>
    text.replace(/[^\x21-\x7e]/g, "_").slice(0, most) || "-";
  return [
    `<${facility * 8 + severity}>${VERSION_1}`,
    part(event.timestamp, 32),
    part(hostname(), 255),
    "session-buddy",
    String(process.pid),
    part(event.event_type, 32),
    "-",
    "",
  ].join(" ");
}

/** @throws Error when a file of its certificates cannot be read */
export function syslogOf(settings: SyslogDestination): Destination {
  const facility = FACILITIES.indexOf(settings.facility);
  const address = syslogAddress(settings.address)!;
  return "path" in address
    ? unixSyslog(address.path, facility)
    : new TcpSyslog(settings, address, facility);
}

const unixSyslog = (path: string, facility: number): Destination =>
  new Datagrams(path, (socket, event) => {
    const header = headerOf(facility, event);
    const sent = socket.send(Buffer.from(header + asciiOf(lineOf(event))));
    if (sent !== "long") return sent;
    const short = Buffer.from(header + asciiOf(shortLine(event)));
    return socket.send(short) === "sent" ? "sent" : "full";
  });

class TcpSyslog implements Destination {
  readonly linger_ms = LINGER_MS;
  /** What was delivered last, and whether that is in doubt. */
  private last = "";
  private doubtful = false;

  constructor(
    private readonly settings: SyslogDestination,
    private readonly to: { host: string; port: number; tls: boolean },
    private readonly facility: number,
  ) {}

  async deliver(
    events: readonly Outgoing[],
    signal: AbortSignal,
    took: (count: number) => void,
  ): Promise<void> {
    const frames = events.map((event) => {
      const text = headerOf(this.facility, event) + asciiOf(lineOf(event));
      // All of it is ASCII: letters are bytes.
      return `${text.length} ${text}`;
    });
    const text = frames.join("");
    const bytes = Buffer.from(this.doubtful ? this.last + text : text);
    this.doubtful = true;
    await readToItsEnd(this.connect(), bytes, signal);
    this.doubtful = false;
    this.last = text;
    took(events.length);
  }

  close(): void {}

  private connect(): { socket: Socket; ready: string } {
    const { host, port, tls } = this.to;
    if (!tls) return { socket: connectTcp({ host, port }), ready: "connect" };
    const { ca, cert, key } = this.settings;
    const socket = connectTls({
      ...{ host, port, minVersion: "TLSv1.2" },
      ...(isIP(host) === 0 && { servername: host }),
      ...(ca !== null && { ca: Buffer.from(readFileSync(ca)) }),
      ...(cert !== null && { cert: Buffer.from(readFileSync(cert)) }),
      ...(key !== null && { key: Buffer.from(readTrusted(key)) }),
    });
    return { socket, ready: "secureConnect" };
  }
}

/** @throws Error unless the other end has read everything, as far as can be known */
async function readToItsEnd(
  { socket, ready }: { socket: Socket; ready: string },
  bytes: Buffer,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let written = false;
  let ended = false;
  const early = () =>
    new Error("the other end closed the connection before it had read all");
  const end = () =>
    socket.destroy(new Error("it does not read what it is sent"));
  signal.addEventListener("abort", end, { once: true });
  socket.on(ready, () => socket.end(bytes, () => (written = true)));
  // What it says is nothing that syslog knows; it has to be read all the same.
  socket.on("data", () => {});
  socket.on("error", reject);
  socket.on("end", () => (written ? (ended = true) : reject(early())));
  socket.on("close", (failed) =>
    ended && !failed ? resolve() : reject(early()),
  );
  try {
    await promise;
  } finally {
    signal.removeEventListener("abort", end);
    socket.destroy();
  }
}
