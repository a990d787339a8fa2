/**
 * Where a server listens: on TCP for MCP clients, and on a socket of its own
 * user's for our commands. Every request goes the same way, from the edge
 * inwards: rate, Host and Origin, method and type, who asks as far as uid and
 * headers tell, its place, the body, who asks as the body tells; then its route.
 */
import { rmSync } from "node:fs";
import type { Settings } from "../../config/load.ts";
import type { Log } from "../../log/log.ts";
import { Failure, reasonOf } from "../../model/failure.ts";
import { type Peer, tcpPeer } from "../../os/peer.ts";
import { spoolFolder } from "../../spool/write.ts";
import { NOT_DRAINED } from "../../store/remote/client.ts";
import { VERSION } from "../../version.ts";
import { administer } from "./maintenance.ts";
import { type Auth, needsToken, tokenRequired } from "../../auth/verify.ts";
import type { Message } from "./body.ts";
import type { Caller } from "../tools/caller.ts";
import { Connections } from "./connections.ts";
import type { Check, Core } from "../store.ts";
import { Guard, idOf } from "./guard.ts";
import { listenFailure, tlsFiles } from "./listen.ts";
import { type Arrival, HttpListener, type Where } from "./listener.ts";
import { LocalTools } from "../tools/tools.ts";
import { failedCalls } from "../tools/log-failures.ts";
import { McpEndpoint } from "../mcp/endpoint.ts";
import { Metrics } from "./metrics.ts";
import { Pressure } from "./rate-limit.ts";
import { RequestLog } from "./request-log.ts";
import {
  type Route,
  type RpcId,
  refusal,
  routeOf,
  unknownPath,
} from "./error-response.ts";

export interface Parts {
  settings: Settings;
  core: Core;
  auth: Auth;
  metrics: Metrics;
  log: Log;
  /** Where our own commands find us. */
  socket: string;
  readOnly: boolean;
  /** Ends the process in good order, and hears why. */
  stop: (why: string) => void;
}

/** How long calls under way may take once the server is told to stop. */
const GRACE_MS = 5_000;
const LOOK_MS = 10;

/** What every request on a listener is answered by. */
interface Edge {
  guard: Guard;
  peer(arrival: Arrival): Peer;
}

export class Serving {
  readonly tools: LocalTools;
  private readonly mcp: McpEndpoint;
  private readonly pressure: Pressure;
  private readonly connections: Connections;
  private readonly log: RequestLog;
  private readonly listeners: HttpListener[] = [];
  private tcp: HttpListener | null = null;
  private requests = 0;
  private stopping = false;

  private constructor(private readonly parts: Parts) {
    const { settings, core, auth, metrics, log, readOnly } = parts;
    const { lease_ms } = settings.config.session;
    const uid = process.geteuid!();
    this.log = new RequestLog(log, uid);
    const onError = failedCalls(this.log);
    this.tools = new LocalTools(core, {
      ...{ auth, metrics, onError },
      spool: spoolFolder(settings.paths.data!),
      lease_seconds: Math.ceil(lease_ms / 1000),
      health: () => this.state(),
    });
    this.mcp = new McpEndpoint(this.tools, {
      ...{ readOnly, version: VERSION, onError },
    });
    this.pressure = new Pressure({
      ...{ uid, max_in_flight: settings.config.server.max_connections },
    });
    this.connections = new Connections(
      uid,
      () => this.tcp?.address?.port ?? null,
    );
    core.makeRoom = () => this.connections.makeRoom();
  }

  /**
   * Listens for everybody.
   * @throws Failure (port_taken) naming the holder; (config) for an address or
   *   a certificate that cannot be used
   */
  static async start(parts: Parts): Promise<Serving> {
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
  static async startLocal(parts: Parts): Promise<Serving> {
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
    this.stopping = true;
    const stopped = this.listeners.map((listener) => listener.stop());
    await this.mcp.close();
    const deadline = performance.now() + GRACE_MS;
    while (this.requests > 0 && performance.now() < deadline)
      await Bun.sleep(LOOK_MS);
    for (const listener of this.listeners) listener.kill();
    await Promise.race([Promise.all(stopped), Bun.sleep(LOOK_MS)]);
  }

  private guardFor(bound: { host: string; port: number }): Guard {
    const { settings, auth } = this.parts;
    const { tls, allowed_hosts, allowed_origins } = settings.config.server;
    return new Guard({
      ...{ bound, tls: tls.cert !== null, allowed_hosts, allowed_origins },
      uid: process.geteuid!(),
      secret: auth.required,
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
        tls: tls.cert === null ? null : tlsFiles(tls),
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
    const listener = await HttpListener.listen(where, (arrival) =>
      this.respond(arrival, edge()),
    );
    this.listeners.push(listener);
    return listener;
  }

  /** One request from its headers to its answer. */
  private async respond(arrival: Arrival, edge: Edge): Promise<Response> {
    const { request } = arrival;
    this.connections.relieve();
    const peer = edge.peer(arrival);
    const route = routeOf(arrival.target, peer.via === "socket");
    const caller: Caller = {
      ...{ via: peer.via, uid: peer.uid, address: peer.address },
      ...{ loopback: peer.loopback, token: null },
      request_id: Bun.randomUUIDv7(),
    };
    this.requests++;
    let response: Response;
    try {
      response = await this.answer(arrival, route, edge.guard, peer, caller);
    } catch (error) {
      response =
        error instanceof Failure
          ? refusal(error, route)
          : this.internal(error, route, caller.request_id);
    } finally {
      this.requests--;
    }
    this.log.request(request.method, route, response.status, caller);
    this.parts.metrics.request(route, response.status);
    return edge.guard.finish(request, response);
  }

  private async answer(
    arrival: Arrival,
    route: Route,
    guard: Guard,
    peer: Peer,
    caller: Caller,
  ): Promise<Response> {
    const { request } = arrival;
    if (this.stopping)
      return refusal(
        new Failure("overloaded", "the server is stopping"),
        route,
      );
    const refused =
      this.pressure.rate(route, peer) ??
      guard.edge(request, route, peer) ??
      guard.early(request, route, peer);
    if (refused) return refused;
    if (route === "other") return unknownPath();
    if (route !== "/mcp" && route !== "/metrics" && route !== "/admin")
      return this.health();
    try {
      await this.authenticate(request, route, peer, caller);
    } catch (error) {
      return unauthorized(error, route, null);
    }
    const standing = guard.standing(peer, caller.token !== null);
    const full = this.pressure.enter(route, peer, standing);
    if (full) return full;
    try {
      if (route === "/metrics") return await this.metrics();
      const source = { headers: request.headers, body: arrival.body };
      const received = await guard.body(source, peer, standing);
      if (received instanceof Response) return received;
      if (route === "/admin") return await this.admin(received.message);
      return await this.message(request, received.message, guard, peer, caller);
    } finally {
      this.pressure.leave(peer, standing);
    }
  }

  /**
   * What the Authorization header proves, before anything is read.
   * @throws Failure (unauthorized) for a bad one, and where there must be one
   */
  private async authenticate(
    { headers }: Request,
    route: Route,
    peer: Peer,
    caller: Caller,
  ): Promise<void> {
    const { auth, settings } = this.parts;
    if (peer.via !== "tcp") return;
    if (route === "/metrics" && settings.config.server.metrics_public) return;
    caller.token = await auth.authenticate(headers.get("authorization"));
    if (route === "/metrics" && auth.required && caller.token === null)
      throw tokenRequired();
  }

  /** What came to /admin, which is there over the socket alone. */
  private async admin(message: Message): Promise<Response> {
    const { core, stop } = this.parts;
    return Response.json(await administer(message, core, stop));
  }

  /** What came to /mcp. */
  private async message(
    request: Request,
    message: Message,
    guard: Guard,
    peer: Peer,
    caller: Caller,
  ): Promise<Response> {
    const stranger = guard.reader(message, "/mcp", peer);
    if (stranger) return stranger;
    const { required } = this.parts.auth;
    if (peer.via === "tcp" && required && !caller.token && needsToken(message))
      return unauthorized(tokenRequired(), "/mcp", idOf(message));
    const response = await this.mcp.handle(request, message, caller);
    const { notDrained } = this.parts.core;
    // It names paths: for our own commands alone.
    if (peer.via === "socket" && notDrained !== null)
      response.headers.set(NOT_DRAINED, encodeURIComponent(notDrained));
    return response;
  }

  /** Each part by name, nothing private in it. */
  private state() {
    const { healthy, checks, ...rest } = this.parts.core.health();
    const check = (ok: boolean): Check => (ok ? "ok" : "failed");
    const requests = check(this.pressure.hasRoom);
    const descriptors = check(this.connections.hasRoom);
    return {
      ...rest,
      healthy: healthy && requests === "ok" && descriptors === "ok",
      checks: { ...checks, requests, descriptors },
    };
  }

  private health(): Response {
    const { healthy, ...parts } = this.state();
    const status = healthy ? "ok" : "degraded";
    return Response.json(
      { status, service: "session-buddy", version: VERSION, ...parts },
      {
        status: healthy ? 200 : 503,
        headers: healthy ? {} : { "retry-after": "1" },
      },
    );
  }

  private async metrics(): Promise<Response> {
    const { core, metrics } = this.parts;
    const text = await metrics.render(await core.gauges());
    return new Response(text, {
      headers: { "content-type": Metrics.CONTENT_TYPE },
    });
  }

  private internal(
    error: unknown,
    route: Route,
    request_id: string | null,
  ): Response {
    const { log } = this.parts;
    log.error("internal", { request_id, route, reason: reasonOf(error) });
    return refusal(
      new Failure(
        "storage",
        "internal error",
        `the server's log has it under request ${request_id}`,
      ),
      route,
      { status: 500 },
    );
  }
}

function unauthorized(error: unknown, route: Route, id: RpcId): Response {
  if (!(error instanceof Failure)) throw error;
  return refusal(error, route, {
    id,
    headers: { "www-authenticate": 'Bearer realm="session-buddy"' },
  });
}
