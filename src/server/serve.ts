/**
 * Where a server listens: on TCP for MCP clients, and on a socket of its own
 * user's for our commands. Every request goes the same way, from the edge
 * inwards: pressure, Host and Origin, method and type, body, who asks, token;
 * then its route.
 */
import { rmSync } from "node:fs";
import type { Settings } from "../config.ts";
import type { Log } from "../log.ts";
import { Failure, reasonOf } from "../model/failure.ts";
import { type Peer, tcpPeer } from "../os/peer.ts";
import { spoolFolder } from "../spool/write.ts";
import { VERSION } from "../version.ts";
import { type Auth, needsToken, tokenRequired } from "./auth.ts";
import type { Message } from "./body.ts";
import type { Caller } from "./caller.ts";
import type { Core } from "./core.ts";
import { Guard, idOf } from "./guard.ts";
import { listenFailure, tlsFiles } from "./listen.ts";
import { LocalTools } from "./local.ts";
import { failedCalls } from "./logged.ts";
import { McpEndpoint } from "./mcp.ts";
import { Metrics } from "./metrics.ts";
import { Pressure } from "./pressure.ts";
import { type Route, refusal, routeOf, unknownPath } from "./refusal.ts";

export interface Parts {
  settings: Settings;
  core: Core;
  auth: Auth;
  metrics: Metrics;
  log: Log;
  /** Where our own commands find us. */
  socket: string;
  readOnly: boolean;
}

/** Streams may be quiet for long; the runtime's own limit of 10 s would end them. */
const IDLE_SECONDS = 255;
/** Ours is the limit of a body: the runtime's refusal would be without words. */
const RUNTIME_BODY_BYTES = Number.MAX_SAFE_INTEGER;
/** How long calls under way may take once the server is told to stop. */
const GRACE_MS = 5_000;
const LOOK_MS = 10;

type Listener = Bun.Server<undefined>;

/** What every request is answered by. */
interface Edge {
  guard: Guard;
  peer(request: Request, listener: Listener): Peer;
}

export class Serving {
  readonly tools: LocalTools;
  private readonly mcp: McpEndpoint;
  private readonly pressure: Pressure;
  private readonly listeners: Listener[] = [];
  private requests = 0;
  private stopping = false;

  private constructor(private readonly parts: Parts) {
    const { settings, core, auth, metrics, log, readOnly } = parts;
    const { lease_ms } = settings.config.session;
    const onError = failedCalls(log);
    this.tools = new LocalTools(core, {
      ...{ auth, metrics, onError },
      spool: spoolFolder(settings.paths.data!),
      lease_seconds: Math.ceil(lease_ms / 1000),
      health: () => core.health(),
    });
    this.mcp = new McpEndpoint(this.tools, {
      ...{ readOnly, version: VERSION, onError },
    });
    this.pressure = new Pressure({
      max_in_flight: settings.config.server.max_connections,
      uid: process.geteuid!(),
    });
  }

  /**
   * Listens for everybody.
   * @throws Failure (port_taken) naming the holder; (config) for an address or
   *   a certificate that cannot be used
   */
  static start(parts: Parts): Serving {
    const serving = Serving.startLocal(parts);
    try {
      serving.listenTcp();
      return serving;
    } catch (error) {
      for (const listener of serving.listeners) void listener.stop(true);
      rmSync(parts.socket, { force: true });
      throw error;
    }
  }

  /** Listens for our own commands alone. */
  static startLocal(parts: Parts): Serving {
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
    serving.listen({ unix: parts.socket }, { guard, peer: () => peer });
    return serving;
  }

  /** Where MCP clients find it; undefined when it serves our commands alone. */
  get url(): string | undefined {
    const tcp = this.listeners.find(({ port }) => port);
    if (!tcp) return undefined;
    const { host, tls } = this.parts.settings.config.server;
    const name = host.includes(":") ? `[${host}]` : host;
    return `${tls.cert ? "https" : "http"}://${name}:${tcp.port}/mcp`;
  }

  /** Accepts no more, lets calls under way end, and closes. */
  async stop(): Promise<void> {
    this.stopping = true;
    const stopped = this.listeners.map((listener) => listener.stop());
    await this.mcp.close();
    const deadline = performance.now() + GRACE_MS;
    while (this.requests > 0 && performance.now() < deadline)
      await Bun.sleep(LOOK_MS);
    for (const listener of this.listeners) void listener.stop(true);
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

  private listenTcp(): void {
    const { host, port, tls } = this.parts.settings.config.server;
    const files = tls.cert === null ? null : tlsFiles(tls);
    // Known once it listens, and nothing comes before.
    let edge: Edge;
    try {
      const listener = this.listen(
        {
          // By number: the other end is looked up by the address of ours.
          hostname: host === "localhost" ? "127.0.0.1" : host,
          port: port === "auto" ? 0 : port,
          ...(files && { tls: files }),
        },
        () => edge,
      );
      const bound = { host: listener.hostname!, port: listener.port! };
      const local = { address: bound.host, port: bound.port };
      edge = {
        guard: this.guardFor({ host, port: bound.port }),
        peer: (request, { requestIP }) =>
          tcpPeer(() => requestIP.call(listener, request), local),
      };
    } catch (error) {
      throw listenFailure(host, port, error);
    }
  }

  private listen(where: object, edge: Edge | (() => Edge)): Listener {
    const listener = Bun.serve({
      ...(where as { unix: string }),
      development: false,
      // Which would be on otherwise: two servers would share a port unawares.
      reusePort: false,
      idleTimeout: IDLE_SECONDS,
      maxRequestBodySize: RUNTIME_BODY_BYTES,
      fetch: (request: Request, server: Listener) =>
        this.respond(
          request,
          server,
          typeof edge === "function" ? edge() : edge,
        ),
      error: (error: Error) => this.internal(error, "other", null),
    } as never) as unknown as Listener;
    this.listeners.push(listener);
    return listener;
  }

  /** One request from its first byte to its answer. */
  private async respond(
    request: Request,
    listener: Listener,
    { guard, peer: peerOf }: Edge,
  ): Promise<Response> {
    const peer = peerOf(request, listener);
    const route = routeOf(request);
    const request_id = Bun.randomUUIDv7();
    // Whoever asks how it is shall hear that it is busy, not be turned away.
    const counted = route !== "/health" && route !== "/healthz";
    const refused = counted ? this.pressure.enter(route, peer) : null;
    if (refused) return this.count(route, guard.finish(request, refused));
    this.requests++;
    try {
      const caller: Caller = {
        ...{ via: peer.via, uid: peer.uid, address: peer.address },
        ...{ loopback: peer.loopback, token: null, request_id },
      };
      const response = await this.answer(request, route, guard, peer, caller);
      this.logRequest(request, route, response, caller);
      return this.count(route, guard.finish(request, response));
    } catch (error) {
      const response =
        error instanceof Failure
          ? refusal(error, route)
          : this.internal(error, route, request_id);
      return this.count(route, guard.finish(request, response));
    } finally {
      this.requests--;
      if (counted) this.pressure.leave();
    }
  }

  private async answer(
    request: Request,
    route: Route,
    guard: Guard,
    peer: Peer,
    caller: Caller,
  ): Promise<Response> {
    if (this.stopping)
      return refusal(
        new Failure("overloaded", "the server is stopping"),
        route,
      );
    const refused = guard.edge(request, route, peer);
    if (refused) return refused;
    if (route === "/mcp") return this.message(request, guard, peer, caller);
    if (route === "other") return unknownPath();
    const stranger = guard.reader(null, route, peer);
    if (stranger) return stranger;
    if (route === "/metrics") return this.metrics(request, peer);
    return this.health();
  }

  /** A POST to /mcp. */
  private async message(
    request: Request,
    guard: Guard,
    peer: Peer,
    caller: Caller,
  ): Promise<Response> {
    const received = await guard.body(request, peer);
    if (received instanceof Response) return received;
    const { message } = received;
    const stranger = guard.reader(message, "/mcp", peer);
    if (stranger) return stranger;
    if (peer.via === "tcp") {
      const { auth } = this.parts;
      try {
        const header = request.headers.get("authorization");
        caller.token = await auth.authenticate(header);
        if (auth.required && caller.token === null && needsToken(message))
          throw tokenRequired();
      } catch (error) {
        return unauthorized(error, message);
      }
    }
    return this.mcp.handle(request, message, caller);
  }

  private health(): Response {
    const { healthy, checks } = this.parts.core.health();
    const status = healthy ? "ok" : "degraded";
    return Response.json(
      { status, service: "session-buddy", version: VERSION, checks },
      {
        status: healthy ? 200 : 503,
        headers: healthy ? {} : { "retry-after": "1" },
      },
    );
  }

  private async metrics(request: Request, peer: Peer): Promise<Response> {
    const { auth, settings, core, metrics } = this.parts;
    const open = settings.config.server.metrics_public || peer.via !== "tcp";
    if (auth.required && !open)
      try {
        const header = request.headers.get("authorization");
        if ((await auth.authenticate(header)) === null) throw tokenRequired();
      } catch (error) {
        return unauthorized(error, null);
      }
    const text = await metrics.render(await core.gauges());
    return new Response(text, {
      headers: { "content-type": Metrics.CONTENT_TYPE },
    });
  }

  private count(route: Route, response: Response): Response {
    this.parts.metrics.request(route, response.status);
    return response;
  }

  private logRequest(
    request: Request,
    route: Route,
    { status }: Response,
    { request_id, via, uid, address, token }: Caller,
  ): void {
    const fields = {
      ...{ request_id, method: request.method, route, status, via, uid },
      ...{ address, subject: token?.subject ?? null },
    };
    if (status >= 500) this.parts.log.error("request", fields);
    else if (status >= 400) this.parts.log.warn("request_refused", fields);
    else this.parts.log.debug("request", fields);
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

function unauthorized(error: unknown, message: Message | null): Response {
  if (!(error instanceof Failure)) throw error;
  return refusal(error, message ? "/mcp" : "/metrics", {
    id: message && idOf(message),
    headers: { "www-authenticate": 'Bearer realm="session-buddy"' },
  });
}
