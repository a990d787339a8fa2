/**
 * Answers requests. Each passes the same checks in this order: rate limit, Host and
 * Origin, method and type, access by uid and headers, room for it, the body, access
 * by the message; then its route answers.
 */
import type { Access, TokenIdentity } from "../../auth/authorize.ts";
import type { PageAccess } from "../../auth/page.ts";
import type { Auth } from "../../auth/verify.ts";
import type { Settings } from "../../config/load.ts";
import type { Log } from "../../log/log.ts";
import { Failure, reasonOf, fail } from "../../model/failure.ts";
import { COMMAND_HEADER, commandNamed } from "../../model/running.ts";
import { NOT_DRAINED } from "../../model/store.ts";
import type { Peer } from "../../os/peer.ts";
import { VERSION } from "../../version.ts";
import { McpEndpoint } from "../mcp/endpoint.ts";
import { type Message, idOf } from "../mcp/json-rpc.ts";
import type { Recordings } from "../recordings.ts";
import type { ServerStore } from "../store.ts";
import { check } from "../tools/health-check.ts";
import type { Caller } from "../tools/tool.ts";
import { Tools } from "../tools/tools.ts";
import { Dashboard } from "../web/dashboard.ts";
import { PAGE_HEADERS } from "../web/files.ts";
import type { Connections } from "./connections.ts";
import { errorResponse, unknownPath } from "./error-response.ts";
import type { Guard } from "./guard.ts";
import type { Arrival } from "./listener.ts";
import { administer } from "./maintenance.ts";
import { Metrics } from "./metrics.ts";
import { RateLimit } from "./rate-limit.ts";
import { RequestLog } from "./request-log.ts";
import { type TakesRecordings, putRecording } from "./put-recording.ts";
import {
  PIECE,
  RECORDING,
  ROUTE_FACTS,
  type Route,
  isOfPage,
  routeOf,
} from "./routes.ts";

export interface Parts {
  settings: Settings;
  store: ServerStore;
  auth: Auth;
  pageAccess: PageAccess;
  recordings: Recordings;
  metrics: Metrics;
  /** What other hosts bring of terminals. */
  received: TakesRecordings;
  log: Log;
  /** The folder where wrapped sessions of this host are written. */
  spool: string;
  readOnly: boolean;
  /** Ends the process in good order, and hears why. */
  stop: (why: string) => void;
}

/** What every request on a listener is answered by. */
export interface Edge {
  guard: Guard;
  peer(arrival: Arrival): Peer;
}

/** What every browser of today says of each request, and no other program. */
const FROM_BROWSER = "sec-fetch-site";

/** A caller that comes by a connection. */
type Client = Caller & Peer;

export class Router {
  readonly tools: Tools;
  /** Requests under way. */
  requests = 0;
  private readonly mcp: McpEndpoint;
  readonly dashboard: Dashboard;
  private readonly rateLimit: RateLimit;
  private readonly log: RequestLog;
  private stopping = false;

  constructor(
    private readonly parts: Parts,
    private readonly connections: Connections,
  ) {
    const { settings, store, auth, metrics, spool, readOnly } = parts;
    const { session, redaction } = settings.config;
    const uid = process.geteuid!();
    this.log = new RequestLog(parts.log, uid);
    this.tools = new Tools(store, {
      ...{ auth, metrics, spool, redaction, onError: this.log.call },
      lease_seconds: Math.ceil(session.lease_ms / 1000),
      health: () => this.state(),
      alerts: () => store.keptAlerts(),
    });
    this.mcp = new McpEndpoint(this.tools, { readOnly, version: VERSION });
    const seq = () => store.stored.facts().last_seq;
    this.dashboard = new Dashboard(
      { access: parts.pageAccess, tools: this.tools, readOnly, seq },
      settings.config.server.dashboard,
    );
    this.rateLimit = new RateLimit({
      ...{ uid, max_in_flight: settings.config.server.max_connections },
    });
  }

  /** Refuses what comes from here on, and ends the streams that are open. */
  stop(): Promise<unknown> {
    this.stopping = true;
    this.dashboard.close();
    const watched = this.parts.recordings.close();
    return Promise.all([watched, this.mcp.close()]);
  }

  /** One request from its headers to its answer. */
  async respond(arrival: Arrival, edge: Edge): Promise<Response> {
    const { request } = arrival;
    const peer = edge.peer(arrival);
    const named = routeOf(arrival.target, peer.via === "socket");
    const route = isOfPage(named) && !this.dashboard.on ? "other" : named;
    const request_id = Bun.randomUUIDv7();
    const gone = request.signal;
    const caller: Client = { ...peer, token: null, request_id, gone };
    if (peer.via === "socket") {
      const command = commandNamed(request.headers.get(COMMAND_HEADER));
      if (command !== null) caller.command = command;
    }
    this.requests++;
    let response: Response;
    try {
      response = await this.answer(arrival, route, edge.guard, caller);
    } catch (error) {
      response =
        error instanceof Failure
          ? errorResponse(error, route)
          : this.internal(error, route, caller.request_id);
    } finally {
      this.requests--;
    }
    this.log.request(request.method, route, response.status, caller);
    this.parts.metrics.request(route, response.status);
    if (isOfPage(route))
      for (const [name, value] of Object.entries(PAGE_HEADERS))
        response.headers.set(name, value);
    return edge.guard.finish(request, response);
  }

  private async answer(
    arrival: Arrival,
    route: Route,
    guard: Guard,
    caller: Client,
  ): Promise<Response> {
    const { request } = arrival;
    if (this.stopping)
      return errorResponse(fail.overloaded("the server is stopping"), route);
    const refused =
      this.rateLimit.rate(route, caller) ?? guard.edge(request, route, caller);
    if (refused) return refused;
    const access = this.accessTo(route);
    const token = await this.tokenOf(request, route, access, caller);
    caller.token = token;
    const unallowed = guard.headers(request, route, access, caller, token);
    if (unallowed) return unallowed;
    if (route === "other") return unknownPath();
    const page = isOfPage(route) ? this.dashboard.get(route, caller) : null;
    if (page) return page;
    if (isHealth(route)) return this.health();
    const standing = guard.standing(caller, token !== null);
    const full = this.rateLimit.enter(route, caller, standing);
    if (full) return full;
    try {
      if (route === "/metrics") return await this.metrics();
      if (route === RECORDING)
        return await this.parts.recordings.answer(arrival.target, caller);
      if (route === PIECE)
        return await putRecording(arrival, guard, caller, this.parts);
      const source = { headers: request.headers, body: arrival.body };
      const received = await guard.body(source, caller, standing);
      if (received instanceof Response) return received;
      if (isOfPage(route))
        return await this.dashboard.post(route, received.message, caller);
      if (route === "/admin") return await this.administer(received.message);
      return await this.message(request, received.message, guard, caller);
    } finally {
      this.rateLimit.leave(caller, standing);
    }
  }

  /** @throws Failure (unauthorized) for a bad one, or where there has to be one */
  private async tokenOf(
    { headers }: Request,
    route: Route,
    access: Access,
    { via }: Client,
  ): Promise<TokenIdentity | null> {
    const header = headers.get("authorization");
    const page = this.dashboard.access;
    if (ROUTE_FACTS[route].page === "token") return page.authenticate(header);
    if (via !== "tcp") return null;
    // Any page in the owner's browser comes as the owner does.
    if (route === RECORDING && (header !== null || headers.has(FROM_BROWSER)))
      return page.authenticate(header);
    // A bad header is refused wherever a token may be needed.
    return route === "/mcp" || NEEDS[access]
      ? this.parts.auth.authenticate(header)
      : null;
  }

  private accessTo(route: Route): Access {
    const { auth, settings } = this.parts;
    const open = auth.required && settings.config.server.metrics_public;
    return route === "/metrics" && open
      ? "protocol"
      : ROUTE_FACTS[route].access;
  }

  private async administer(message: Message): Promise<Response> {
    const { store, stop } = this.parts;
    const invite = () => this.dashboard.invite();
    return Response.json(await administer(message, store, { stop, invite }));
  }

  /** What came to /mcp. */
  private async message(
    request: Request,
    message: Message,
    guard: Guard,
    caller: Client,
  ): Promise<Response> {
    const unallowed = guard.message(message, caller, caller.token);
    if (unallowed) return unallowed;
    const response = await answerMcp(this.mcp, request, message, caller);
    const { notDrained } = this.parts.store.drain;
    // It names paths: for our own commands alone.
    if (caller.via === "socket" && notDrained !== null)
      response.headers.set(NOT_DRAINED, encodeURIComponent(notDrained));
    return response;
  }

  /** Each part by name, nothing private in it. */
  private state() {
    const { healthy, checks, ...rest } = this.parts.store.health();
    const requests = check(this.rateLimit.hasRoom);
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
    const { store, metrics } = this.parts;
    const text = await metrics.render(await store.gauges());
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
    return errorResponse(
      fail.storage(
        "internal error",
        `the server's log has it under request ${request_id}`,
      ),
      route,
      { status: 500 },
    );
  }
}

/** Whether what is asked for may need a token, which the header holds. */
const NEEDS: Partial<Record<Access, true>> = { read: true, record: true };

const isHealth = (route: Route) =>
  route === "/health" || route === "/healthz" || route === "/readyz";

/** What an endpoint answers; a call that it has no room for is a status. */
export async function answerMcp(
  endpoint: McpEndpoint,
  request: Request,
  message: Message,
  caller: Caller,
): Promise<Response> {
  try {
    return await endpoint.handle(request, message, caller);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return errorResponse(error, "/mcp", { id: idOf(message) });
  }
}
