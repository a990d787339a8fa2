/**
 * Checks a request before a route answers it. Each check returns the error response,
 * or null to go on; they come in this order:
 *
 *   edge      Host, Origin, method, content type
 *   headers   access to the route, by uid and token
 *   body      size, JSON, one object, depth
 *   message   access to the message's method or tool
 *
 * Between headers and body the rate limit counts the request in, by its standing.
 * Only our user can enter the folder of the unix socket: requests over it skip Host
 * and Origin.
 */
import type { Access, Authorize, TokenIdentity } from "../../auth/authorize.ts";
import { Failure, fail } from "../../model/failure.ts";
import type { Peer } from "../../os/peer.ts";
import {
  accessOf,
  type Malformed,
  type Message,
  PARSE_ERROR,
  idOf,
  parseMessage,
  toolOf,
} from "../mcp/json-rpc.ts";
import { toolNamed } from "../tools/catalog.ts";
import { Bodies, type BodyLimits, type BodySource } from "./body.ts";
import {
  type Names,
  isAllowedOrigin,
  isOurHost,
  isOurOrigin,
  isWellFormedHost,
} from "./host.ts";
import {
  type ErrorResponseOptions,
  SAFE_HEADERS,
  errorResponse,
} from "./error-response.ts";
import { PIECE, RECORDING, ROUTE_FACTS, type Route } from "./routes.ts";

const BODY_MAX_BYTES = 4 * 1024 * 1024;
/** Before anything is proved: a call with its token, or what takes no arguments. */
const UNPROVEN_MAX_BYTES = 64 * 1024;
/** Of a recording. */
const PIECE_MAX_BYTES = 1024 * 1024;
/** How long a browser remembers that an allowed origin may ask. */
const PREFLIGHT_SECONDS = "600";

export interface GuardOptions extends Names {
  /** The server's user. */
  uid: number;
  authorize: Authorize;
  body?: Partial<BodyLimits>;
}

/**
 * What is known of a peer before the body is read: it comes by our own socket;
 * it is of our user or root; its token is good; or only the body can tell.
 */
export type Standing = "socket" | "owner" | "proven" | "unproven";

/** A message as it came. */
export interface Received {
  message: Message;
  /** Of the body. */
  bytes: number;
}

export class Guard {
  private readonly bodies: Bodies;

  constructor(private readonly options: GuardOptions) {
    this.bodies = new Bodies(options.body);
  }

  /** What the headers alone tell: whether the request is for us, from whom we serve, and of a kind we know. */
  edge(request: Request, route: Route, peer: Peer): Response | null {
    const foreign = peer.via === "tcp" ? this.names(request) : null;
    if (foreign) return errorResponse(foreign, route);
    return (
      site(request, route) ??
      this.preflight(request) ??
      method(request, route) ??
      (route === "/mcp" || request.method === "POST"
        ? contentType(request, route)
        : null)
    );
  }

  /**
   * By uid and headers alone, whether the peer may use the route; on /mcp, where
   * only the body tells, whether it may send a long one.
   * @param token what the Authorization header has proved
   */
  headers(
    request: Request,
    route: Route,
    access: Access,
    peer: Peer,
    token: TokenIdentity | null,
  ): Response | null {
    const length = Number(request.headers.get("content-length") ?? 0);
    if (route === "/mcp" && !(length > UNPROVEN_MAX_BYTES)) return null;
    const failure = this.options.authorize(peer, token, access);
    return failure && errorResponse(failure, route);
  }

  /** @param proven whether the Authorization header holds a good token */
  standing({ via, uid }: Peer, proven: boolean): Standing {
    if (via === "socket") return "socket";
    if (uid === this.options.uid || uid === 0) return "owner";
    return proven ? "proven" : "unproven";
  }

  /** Reads the message of a POST to /mcp. */
  async body(
    source: BodySource,
    peer: Peer,
    standing: Standing,
  ): Promise<Received | Response> {
    const proven = standing !== "unproven";
    const max_bytes = proven ? BODY_MAX_BYTES : UNPROVEN_MAX_BYTES;
    const bytes = await this.read(source, max_bytes, proven, "/mcp");
    if (bytes instanceof Response) return bytes;
    if (!bytes) {
      const stranger = this.options.authorize(peer, null, "protocol");
      if (stranger) return errorResponse(stranger, "/mcp");
      const hint = "send the token in the Authorization header";
      return tooLarge(max_bytes, proven ? {} : { hint });
    }
    const parsed = parseMessage(bytes);
    if (!("message" in parsed)) return malformed(parsed);
    const { message } = parsed;
    const tool_max = toolNamed(toolOf(message))?.max_body_bytes;
    if (tool_max !== undefined && bytes.length > tool_max)
      return tooLarge(tool_max, { id: idOf(message) });
    return { message, bytes: bytes.length };
  }

  /** Reads the piece of a recording, from whom we know. */
  async piece(source: BodySource): Promise<Uint8Array | Response> {
    const bytes = await this.read(source, PIECE_MAX_BYTES, true, PIECE);
    return bytes ?? tooLarge(PIECE_MAX_BYTES, { route: PIECE });
  }

  /** @returns null when it is larger than it may be */
  private async read(
    source: BodySource,
    max_bytes: number,
    proven: boolean,
    route: Route,
  ): Promise<Uint8Array | Response | null> {
    try {
      return await this.bodies.read(source, max_bytes, proven);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return errorResponse(error, route, BODY_STATUS[error.code]);
    }
  }

  /** Whether the peer may send this message to /mcp. */
  message(
    message: Message,
    peer: Peer,
    token: TokenIdentity | null,
  ): Response | null {
    const access = accessOf(message);
    const failure = this.options.authorize(peer, token, access);
    // A tool that records may get its token as an argument, and says so itself
    // when there is none.
    const isLeftToTool =
      access === "record" && failure?.code === "unauthorized";
    if (!failure || isLeftToTool) return null;
    return errorResponse(failure, "/mcp", { id: idOf(message) });
  }

  /** An answer with the headers that every answer has. */
  finish(request: Request, response: Response): Response {
    const { headers } = response;
    for (const name in SAFE_HEADERS)
      headers.set(name, SAFE_HEADERS[name as keyof typeof SAFE_HEADERS]);
    const origin = request.headers.get("origin");
    if (origin !== null && isAllowedOrigin(origin, this.options)) {
      headers.set("access-control-allow-origin", origin);
      headers.set(
        "access-control-expose-headers",
        "retry-after, www-authenticate",
      );
      headers.append("vary", "origin");
    }
    return response;
  }

  /** Why Host and Origin are not ours; null when they are. */
  private names({ headers }: Request): Failure | null {
    const host = headers.get("host") ?? "";
    if (!isWellFormedHost(host))
      return fail.refused("the Host header is missing or malformed");
    if (!isOurHost(host, this.options))
      return fail.permission(
        `this server is not '${host}'`,
        "ask for localhost and its port, or name that host in server.allowed_hosts",
      );
    const origin = headers.get("origin");
    if (origin === null || isOurOrigin(origin, this.options)) return null;
    return fail.permission(
      "pages of this origin may not ask this server",
      "name the origin in server.allowed_origins",
    );
  }

  /** A browser's question whether an allowed origin may ask. */
  private preflight({ method, headers }: Request): Response | null {
    const origin = headers.get("origin");
    if (method !== "OPTIONS" || origin === null) return null;
    if (!headers.has("access-control-request-method")) return null;
    if (!isAllowedOrigin(origin, this.options)) return null;
    const asked = headers.get("access-control-request-headers");
    return new Response(null, {
      status: 204,
      headers: {
        "access-control-allow-methods": "GET, POST",
        "access-control-max-age": PREFLIGHT_SECONDS,
        ...(asked === null ? {} : { "access-control-allow-headers": asked }),
      },
    });
  }
}

/** Failures to read a body, where they differ from the table: the client is at fault. */
const BODY_STATUS: Partial<Record<string, ErrorResponseOptions>> = {
  timeout: { status: 408 },
  unreachable: { status: 400 },
};

function method({ method }: Request, route: Route): Response | null {
  const allowed = ROUTE_FACTS[route].methods;
  if (route === "other" || allowed.includes(method)) return null;
  const list = allowed.join(", ");
  return errorResponse(
    fail.refused(`${method} is not served here`, `use ${list}`),
    route,
    { status: 405, rpc_code: -32000, headers: { allow: list } },
  );
}

/**
 * What a browser says of who asks for something of the dashboard: our own page, or
 * the user. Links to it may stand anywhere, frames around it nowhere.
 */
function site({ headers }: Request, route: Route): Response | null {
  const { page } = ROUTE_FACTS[route];
  const from = headers.get("sec-fetch-site") ?? "none";
  const guarded = page !== undefined || route === RECORDING;
  if (!guarded || from === "same-origin" || from === "none") return null;
  const isLink =
    route === "/" &&
    headers.get("sec-fetch-mode") === "navigate" &&
    headers.get("sec-fetch-dest") === "document";
  if (isLink) return null;
  return errorResponse(
    fail.permission(
      `${page ? "the dashboard is" : "recordings are"} not for the pages of others`,
    ),
    route,
  );
}

/** JSON in UTF-8, as it is; other parameters of the type mean nothing here. */
function contentType({ headers }: Request, route: Route): Response | null {
  const [type, ...parameters] = (headers.get("content-type") ?? "")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const charsets = parameters.filter((text) => /^charset\s*=/.test(text));
  const readable =
    type === "application/json" &&
    charsets.every((text) => /=\s*"?(utf-?8|us-ascii)"?$/.test(text)) &&
    (headers.get("content-encoding") ?? "identity") === "identity";
  if (readable) return null;
  return errorResponse(
    fail.refused(
      "the body is not plain JSON",
      "send Content-Type: application/json, in UTF-8, not compressed",
    ),
    route,
    { status: 415 },
  );
}

const tooLarge = (
  max_bytes: number,
  {
    hint = "send less at a time",
    route = "/mcp",
    ...options
  }: ErrorResponseOptions & { hint?: string; route?: Route } = {},
) =>
  errorResponse(
    fail.refused(`the body is larger than ${max_bytes} bytes`, hint),
    route,
    { ...options, status: 413 },
  );

const malformed = ({ kind, sentence, hint }: Malformed) =>
  errorResponse(
    fail.refused(sentence, hint),
    "/mcp",
    kind === "parse" ? { rpc_code: PARSE_ERROR } : {},
  );
