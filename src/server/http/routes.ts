/** Lists the paths that the server answers, their methods and the access they need. */
import type { Access } from "../../auth/authorize.ts";
import type { PageRoute } from "../web/dashboard.ts";

interface RouteFacts {
  methods: readonly string[];
  access: Access;
  /** Of the dashboard: its files, or what it asks with a token of its own. */
  page?: "file" | "code" | "token";
}

const READ = ["GET", "HEAD"];

const TABLE = {
  // Each message has an access of its own.
  "/mcp": { methods: ["POST"], access: "protocol" },
  "/health": { methods: READ, access: "open" },
  "/healthz": { methods: READ, access: "open" },
  "/readyz": { methods: READ, access: "protocol" },
  "/metrics": { methods: READ, access: "read" },
  // A recording: what a terminal showed, or shows.
  "/recordings/SESSION.cast": { methods: ["GET"], access: "read" },
  // For our own commands, over the socket alone.
  "/admin": { methods: ["POST"], access: "record" },
  // A piece of what another host has recorded of a terminal.
  "/recordings/SESSION": { methods: ["PUT"], access: "record" },
  "/": { methods: READ, access: "protocol", page: "file" },
  "/main.js": { methods: READ, access: "protocol", page: "file" },
  "/player.js": { methods: READ, access: "protocol", page: "file" },
  "/main.css": { methods: READ, access: "protocol", page: "file" },
  "/web/token": { methods: ["POST"], access: "protocol", page: "code" },
  "/web/call": { methods: ["POST"], access: "read", page: "token" },
  "/web/review": { methods: ["POST"], access: "read", page: "token" },
  "/web/live": { methods: ["GET"], access: "read", page: "token" },
  // Whatever the server never heard of.
  other: { methods: [], access: "protocol" },
} as const satisfies Record<string, RouteFacts>;

export type Route = keyof typeof TABLE;

export const ROUTE_FACTS: Record<Route, RouteFacts> = TABLE;

/** Whether it is of the dashboard, which may be off. */
export const isOfPage = (route: Route): route is PageRoute =>
  ROUTE_FACTS[route].page !== undefined;

/** Of all recordings; which one stands in the path. */
export const RECORDING = "/recordings/SESSION.cast";
const RECORDINGS = /^\/recordings\/[^/]+\.cast$/;
/** Of a piece of one that another host has recorded. */
export const PIECE = "/recordings/SESSION";
const PIECES = /^\/recordings\/[^/.]+$/;

/** The paths that whoever comes over TCP finds. */
export const ROUTES = (Object.keys(TABLE) as Route[]).filter(
  (route) => !["/admin", PIECE, "other"].includes(route),
);

/**
 * Where a request goes, by its path alone, letter by letter.
 * @param target as the client wrote it: a path, or a whole address
 * @param local whether it came over our own socket
 */
export function routeOf(target: string, local = false): Route {
  const path = target.replace(/^https?:\/\/[^/]*/i, "").replace(/[?#].*$/s, "");
  if (local && path === "/admin") return path;
  if (RECORDINGS.test(path)) return RECORDING;
  if (PIECES.test(path)) return PIECE;
  return ROUTES.find((route) => route === path) ?? "other";
}
