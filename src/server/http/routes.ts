/** Lists the paths that the server answers, their methods and the access they need. */
import type { Access } from "../../auth/authorize.ts";

interface RouteFacts {
  methods: readonly string[];
  access: Access;
}

const READ = ["GET", "HEAD"];

const TABLE = {
  // Each message has an access of its own.
  "/mcp": { methods: ["POST"], access: "protocol" },
  "/health": { methods: READ, access: "open" },
  "/healthz": { methods: READ, access: "open" },
  "/readyz": { methods: READ, access: "protocol" },
  "/metrics": { methods: READ, access: "read" },
  // For our own commands, over the socket alone.
  "/admin": { methods: ["POST"], access: "record" },
  // Whatever the server never heard of.
  other: { methods: [], access: "protocol" },
} as const satisfies Record<string, RouteFacts>;

export type Route = keyof typeof TABLE;

export const ROUTE_FACTS: Record<Route, RouteFacts> = TABLE;

/** The paths that whoever comes over TCP finds. */
export const ROUTES = (Object.keys(TABLE) as Route[]).filter(
  (route) => route !== "/admin" && route !== "other",
);

/**
 * Where a request goes, by its path alone, letter by letter.
 * @param target as the client wrote it: a path, or a whole address
 * @param local whether it came over our own socket
 */
export function routeOf(target: string, local = false): Route {
  const path = target.replace(/^https?:\/\/[^/]*/i, "").replace(/[?#].*$/s, "");
  if (local && path === "/admin") return path;
  return ROUTES.find((route) => route === path) ?? "other";
}
