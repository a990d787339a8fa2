/**
 * A server whose edge is real, in the test's own process, and a client that
 * writes what it likes, byte by byte.
 */
import net from "node:net";
import { authorizer } from "../../src/auth/authorize.ts";
import type { BodyLimits } from "../../src/server/http/body.ts";
import { Guard } from "../../src/server/http/guard.ts";
import { type Arrival, HttpListener } from "../../src/server/http/listener.ts";
import { ROUTE_FACTS, routeOf } from "../../src/server/http/routes.ts";
import { tcpPeer } from "../../src/os/peer.ts";
import { until } from "./wait.ts";

/** A server that answers with the size of what it was sent. */
export class Edge {
  /** Requests whose body is being read. */
  reading = 0;
  /** Requests that came so far. */
  came = 0;
  /** Answers wait for it. */
  held: Promise<void> = Promise.resolve();

  private constructor(
    private readonly listener: HttpListener,
    private readonly guard: Guard,
  ) {}

  static async start({
    secret = false,
    body,
    headers_ms,
  }: {
    secret?: boolean;
    body?: Partial<BodyLimits>;
    headers_ms?: number;
  } = {}): Promise<Edge> {
    // Known once it listens, and nothing comes before.
    let made: Edge;
    const listener = await HttpListener.listen(
      { host: "127.0.0.1", port: 0, tls: null },
      (arrival) => made.answer(arrival),
      () => true,
      headers_ms,
    );
    const uid = process.geteuid!();
    const bound = { host: "127.0.0.1", port: listener.address!.port };
    made = new Edge(
      listener,
      new Guard({
        ...{ bound, tls: false, allowed_hosts: [], allowed_origins: [] },
        ...{ uid, authorize: authorizer({ uid, secret }) },
        ...(body ? { body } : {}),
      }),
    );
    return made;
  }

  get port(): number {
    return this.listener.address!.port;
  }

  kill(): void {
    this.listener.kill();
  }

  private async answer(arrival: Arrival): Promise<Response> {
    this.came++;
    const { request, body, target, remote, local } = arrival;
    const peer = tcpPeer(remote, local()!);
    const route = routeOf(target);
    const refused =
      this.guard.edge(request, route, peer) ??
      this.guard.headers(request, route, ROUTE_FACTS[route].access, peer, null);
    if (refused) return refused;
    this.reading++;
    const standing = this.guard.standing(peer, false);
    const source = { headers: request.headers, body };
    const received = await this.guard.body(source, peer, standing);
    this.reading--;
    if (received instanceof Response) return received;
    const stranger = this.guard.message(received.message, peer, null);
    await this.held;
    return stranger ?? Response.json({ bytes: received.bytes });
  }

  /** A POST to /mcp, headers and body as they are written. */
  async post(headers: string, body = ""): Promise<Client> {
    const client = new Client(this.port);
    client.write(
      `POST /mcp HTTP/1.1\r\nHost: localhost:${this.port}\r\n` +
        `Content-Type: application/json\r\n${headers}\r\n\r\n${body}`,
    );
    return client;
  }
}

/** A client that shows what came back. */
export class Client {
  text = "";
  readonly socket: net.Socket;

  constructor(port: number) {
    this.socket = net.connect({ host: "127.0.0.1", port });
    this.socket.setEncoding("utf8");
    this.socket.on("data", (text) => void (this.text += text));
    this.socket.on("error", () => undefined);
  }

  write(text: string): void {
    this.socket.write(text);
  }

  /** The first whole answer: its status and its JSON. */
  answer(): Promise<{ status: number; body: { error: { code: number } } }> {
    return until("an answer", () => {
      const [head, rest] = this.text.split("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(head!)?.[1]);
      if (rest === undefined || rest.length < length) return null;
      const body = JSON.parse(rest.slice(0, length)) as never;
      return { status: Number(head!.slice(9, 12)), body };
    });
  }

  end(): void {
    this.socket.destroy();
  }
}
