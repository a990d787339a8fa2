/**
 * Listens on TCP for MCP clients, and on a unix socket for our own commands. A
 * router answers the requests.
 */
import { rmSync } from "node:fs";
import { type Peer, tcpPeer } from "../../os/peer.ts";
import type { Tools } from "../tools/tools.ts";
import { Connections } from "./connections.ts";
import { Guard } from "./guard.ts";
import { HttpListener, type Where } from "./listener.ts";
import { type Edge, type Parts, Router } from "./router.ts";
import { Failure, errnoOf, reasonOf, fail } from "../../model/failure.ts";
import { portHolder } from "../../os/use.ts";
import { readTrusted } from "../../os/trust.ts";

export interface ServingParts extends Parts {
  /** Where our own commands find us. */
  socket: string;
}

/** How long calls under way may take once the server is told to stop. */
const GRACE_MS = 5_000;
const LOOK_MS = 10;

export class Serving {
  private readonly connections: Connections;
  private readonly router: Router;
  private readonly listeners: HttpListener[] = [];
  private tcp: HttpListener | null = null;

  private constructor(private readonly parts: ServingParts) {
    this.connections = new Connections(
      process.geteuid!(),
      () => this.tcp?.address?.port ?? null,
    );
    this.router = new Router(parts, this.connections);
  }

  /** The tools, for who calls them in this process. */
  get tools(): Tools {
    return this.router.tools;
  }

  /**
   * Listens for everybody.
   * @throws Failure (port_taken) naming the holder; (config) for an address or
   *   a certificate that cannot be used
   */
  static async start(parts: ServingParts): Promise<Serving> {
    const serving = await Serving.startLocal(parts);
    try {
      await serving.listenTcp();
      return serving;
    } catch (error) {
      for (const listener of serving.listeners) listener.kill();
      rmSync(parts.socket, { force: true });
      throw error;
    }
  }

  /** Listens for our own commands alone. */
  static async startLocal(parts: ServingParts): Promise<Serving> {
    const serving = new Serving(parts);
    // A dead server's: the lock that we hold says that there is no other.
    rmSync(parts.socket, { force: true });
    const peer: Peer = {
      via: "socket",
      uid: process.geteuid!(),
      address: null,
      loopback: true,
    };
    const guard = serving.guardFor({ host: "localhost", port: 0 });
    const edge = { guard, peer: () => peer };
    await serving.listen({ unix: parts.socket }, () => edge);
    return serving;
  }

  /** Where MCP clients find it; undefined when it serves our commands alone. */
  get url(): string | undefined {
    const address = this.tcp?.address;
    if (!address) return undefined;
    const { host, tls } = this.parts.settings.config.server;
    const name = host.includes(":") ? `[${host}]` : host;
    return `${tls.cert ? "https" : "http"}://${name}:${address.port}/mcp`;
  }

  /** Accepts no more, lets calls under way end, and closes. */
  async stop(): Promise<void> {
    const closed = this.router.stop();
    const stopped = this.listeners.map((listener) => listener.stop());
    await closed;
    const deadline = performance.now() + GRACE_MS;
    // At least once: an answer that was made just now is still to be sent.
    do await Bun.sleep(LOOK_MS);
    while (this.router.requests > 0 && performance.now() < deadline);
    for (const listener of this.listeners) listener.kill();
    await Promise.race([Promise.all(stopped), Bun.sleep(LOOK_MS)]);
  }

  private guardFor(bound: { host: string; port: number }): Guard {
    const { settings, auth } = this.parts;
    const { tls, allowed_hosts, allowed_origins } = settings.config.server;
    return new Guard({
      ...{ bound, tls: tls.cert !== null, allowed_hosts, allowed_origins },
      ...{ uid: process.geteuid!(), authorize: auth.authorize },
    });
  }

  private async listenTcp(): Promise<void> {
    const { host, port, tls } = this.parts.settings.config.server;
    // Known once it listens, and nothing comes before.
    let edge: Edge;
    try {
      const where = {
        // By number: the other end is looked up by the address of ours.
        host: host === "localhost" ? "127.0.0.1" : host,
        port: port === "auto" ? 0 : port,
        tls:
          tls.cert === null ? null : { cert: pem(tls.cert), key: pem(tls.key) },
      };
      this.tcp = await this.listen(where, () => edge);
      const bound = this.tcp.address!;
      // Looked up once, at a connection's first request: it keeps its ends, and
      // once it is reset its port may be another user's.
      const known = new WeakMap<object, Peer>();
      edge = {
        guard: this.guardFor({ host, port: bound.port }),
        peer: ({ connection, remote, local }) => {
          const peer =
            known.get(connection) ?? tcpPeer(remote, local() ?? bound);
          known.set(connection, peer);
          return peer;
        },
      };
    } catch (error) {
      throw listenFailure(host, port, error);
    }
  }

  private async listen(where: Where, edge: () => Edge): Promise<HttpListener> {
    const listener = await HttpListener.listen(
      where,
      (arrival) => this.router.respond(arrival, edge()),
      () => this.connections.mayAccept(),
    );
    this.listeners.push(listener);
    return listener;
  }
}

/** @throws Failure (permission) when others could have written the file */
const pem = (path: string | null) =>
  new TextDecoder().decode(readTrusted(path!));

/** Why an address could not be listened on, and the way out. */
function listenFailure(
  host: string,
  port: number | "auto",
  error: unknown,
): Failure {
  if (error instanceof Failure) return error;
  if (errnoOf(error) !== "EADDRINUSE" || port === "auto")
    return fail.config(
      `the server cannot listen on '${host}' port ${port}: ${reasonOf(error)}`,
      "check server.host, server.port and server.tls",
      { cause: error },
    );
  const holder = portHolder(port);
  const who = holder
    ? `pid ${holder.pid}, ${holder.command}`
    : "a program that we may not look at";
  return fail.port_taken(
    `port ${port} belongs to another program (${who})`,
    `end it, or choose another port: --port auto`,
    { cause: error },
  );
}
