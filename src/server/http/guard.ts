/**
 * The edge of the server: who may ask, and whether what he sends can be a
 * request at all. Each check gives the answer to refuse with, or null to go
 * on; they come in this order:
 *
 *   edge    Host, Origin, method, content type
 *   early   without a secret, a user of this host other than ours is a stranger
 *   body    size, JSON, one object, depth
 *   reader  what such a stranger may ask all the same, for the body tells it
 *
 * Between early and body a request gets its place, by its standing.
 *
 * The unix socket lies in a folder that only our user can enter: what comes
 * there skips Host, Origin and reader.
 */
import { Failure } from "../../model/failure.ts";
import type { Peer } from "../../os/peer.ts";
import {
  Bodies,
  type BodyLimits,
  type BodySource,
  type Malformed,
  type Message,
  parseMessage,
} from "./body.ts";
import {
  type Names,
  isAllowedOrigin,
  isOurHost,
  isOurOrigin,
  isWellFormedHost,
} from "./host.ts";
import {
  type RefusalOptions,
  type Route,
  type RpcId,
  SAFE_HEADERS,
  refusal,
} from "./error-response.ts";

const BODY_MAX_BYTES = 4 * 1024 * 1024;
const TRACK_EVENTS_MAX_BYTES = 1024 * 1024;
/** Before anything is proved: a call with its token, or what takes no arguments. */
const UNPROVEN_MAX_BYTES = 64 * 1024;
/** How long a browser remembers that an allowed origin may ask. */
const PREFLIGHT_SECONDS = "600";

const PARSE_ERROR = -32700;

const METHODS: Record<Route, readonly string[]> = {
  "/mcp": ["POST"],
  "/health": ["GET", "HEAD"],
  "/healthz": ["GET", "HEAD"],
  "/readyz": ["GET", "HEAD"],
  "/metrics": ["GET", "HEAD"],
  "/admin": ["POST"],
  other: [],
};

export interface GuardOptions extends Names {
  /** The server's user. */
  uid: number;
  /** Whether a secret is set: its tokens decide then who may ask. */
  secret: boolean;
  body?: Partial<BodyLimits>;
}

/**
 * What is known of who asks before the body is read: he comes by our own
 * socket; he is our user or root; his token is good; or only the body can tell.
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
    return (
      (peer.via === "tcp" ? this.names(request, route) : null) ??
      this.preflight(request) ??
      method(request, route) ??
      (route === "/mcp" ? contentType(request) : null)
    );
  }

  /** Refuses who may ask nothing on this route, and a stranger's long body, by uid and headers alone. */
  early(request: Request, route: Route, peer: Peer): Response | null {
    if (route !== "/mcp") return this.reader(null, route, peer);
    const length = Number(request.headers.get("content-length") ?? 0);
    const failure =
      length > UNPROVEN_MAX_BYTES ? this.strangerFailure(peer) : null;
    return failure && refusal(failure, route);
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
    const stranger = this.strangerFailure(peer);
    const max_bytes = proven ? BODY_MAX_BYTES : UNPROVEN_MAX_BYTES;
    let bytes: Uint8Array | null;
    try {
      bytes = await this.bodies.read(source, max_bytes, proven);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return refusal(error, "/mcp", BODY_STATUS[error.code]);
    }
    if (!bytes)
      return stranger
        ? refusal(stranger, "/mcp")
        : tooLarge(
            max_bytes,
            proven
              ? {}
              : { hint: "send the token in the Authorization header" },
          );
    const parsed = parseMessage(bytes);
    if (!("message" in parsed)) return malformed(parsed);
    const { message } = parsed;
    if (
      bytes.length > TRACK_EVENTS_MAX_BYTES &&
      toolOf(message) === "track_events"
    )
      return tooLarge(TRACK_EVENTS_MAX_BYTES, { id: idOf(message) });
    return { message, bytes: bytes.length };
  }

  /**
   * Whether this peer may ask that: without a secret, another user of this host
   * gets the server's health alone.
   * @param message what came to /mcp; null on the other routes
   */
  reader(message: Message | null, route: Route, peer: Peer): Response | null {
    if (route === "/health" || route === "/healthz") return null;
    if (message && toolOf(message) === "health_check") return null;
    const failure = this.strangerFailure(peer);
    return failure && refusal(failure, route, { id: message && idOf(message) });
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

  private names(request: Request, route: Route): Response | null {
    const host = request.headers.get("host") ?? "";
    if (!isWellFormedHost(host))
      return refusal(
        new Failure("refused", "the Host header is missing or malformed"),
        route,
      );
    if (!isOurHost(host, this.options))
      return refusal(
        new Failure(
          "permission",
          `this server is not '${host}'`,
          "ask for localhost and its port, or name that host in server.allowed_hosts",
        ),
        route,
      );
    const origin = request.headers.get("origin");
    if (origin === null || isOurOrigin(origin, this.options)) return null;
    return refusal(
      new Failure(
        "permission",
        "pages of this origin may not ask this server",
        "name the origin in server.allowed_origins",
      ),
      route,
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

  private strangerFailure({ via, uid }: Peer): Failure | null {
    if (via !== "tcp" || this.options.secret) return null;
    if (uid === null)
      return new Failure(
        "permission",
        "this server cannot tell whose program you are, and has no secret to ask for",
        "set SESSION_BUDDY_SECRET for the server and for you",
      );
    if (uid === this.options.uid || uid === 0) return null;
    return new Failure(
      "permission",
      `this server belongs to another user (uid ${this.options.uid}, you are ${uid}), and has no secret to ask for`,
      "run a server of your own, or set SESSION_BUDDY_SECRET for that server and for you",
    );
  }
}

/** Failures to read a body, where they differ from the table: the client is at fault. */
const BODY_STATUS: Partial<Record<string, RefusalOptions>> = {
  timeout: { status: 408 },
  unreachable: { status: 400 },
};

function method({ method }: Request, route: Route): Response | null {
  const allowed = METHODS[route];
  if (route === "other" || allowed.includes(method)) return null;
  const list = allowed.join(", ");
  return refusal(
    new Failure("refused", `${method} is not served here`, `use ${list}`),
    route,
    { status: 405, rpc_code: -32000, headers: { allow: list } },
  );
}

/** JSON in UTF-8, as it is; other parameters of the type mean nothing here. */
function contentType({ headers }: Request): Response | null {
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
  return refusal(
    new Failure(
      "refused",
      "the body is not plain JSON",
      "send Content-Type: application/json, in UTF-8, not compressed",
    ),
    "/mcp",
    { status: 415 },
  );
}

const tooLarge = (
  max_bytes: number,
  {
    hint = "send less at a time",
    ...options
  }: RefusalOptions & { hint?: string } = {},
) =>
  refusal(
    new Failure("refused", `the body is larger than ${max_bytes} bytes`, hint),
    "/mcp",
    { ...options, status: 413 },
  );

const malformed = ({ kind, sentence, hint }: Malformed) =>
  refusal(
    new Failure("refused", sentence, hint),
    "/mcp",
    kind === "parse" ? { rpc_code: PARSE_ERROR } : {},
  );

/** The id that an answer to this message carries. */
export function idOf({ id }: Message): RpcId {
  return typeof id === "string" || Number.isFinite(id) ? (id as RpcId) : null;
}

/** The tool that a message calls, or null. */
export function toolOf({ method, params }: Message): string | null {
  if (method !== "tools/call") return null;
  const name = (params as { name?: unknown } | null | undefined)?.name;
  return typeof name === "string" ? name : null;
}
