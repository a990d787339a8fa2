/**
 * What can be set: every key of a configuration file and every variable, what
 * it takes, and where it goes. How they are found and read is config.ts's.
 *
 * Loaded by every start of the wrapper: it imports nothing and only looks at a
 * value once somebody has set it.
 */
import type { Json, JsonObject } from "../model/event.ts";
import {
  DAY_MS,
  type LogLevel,
  type Parse,
  authority,
  boolean,
  durationUpTo,
  endpoint,
  flag,
  host,
  level,
  listOf,
  oneOf,
  orNull,
  origin,
  path,
  port,
  text,
  wholeNumber,
} from "./values.ts";

export interface Profile {
  command?: string[];
  component?: string;
  metadata?: JsonObject;
}

export interface Config {
  session: {
    enabled: boolean;
    audit: "strict" | "best-effort";
    /** What of a command line is recorded: its program, or every word. */
    argv: "program" | "full";
    banner: "full" | "line" | "none";
    heartbeat_ms: number;
    /** How long after a sign of life a session from elsewhere counts as active. */
    lease_ms: number;
    /** The same for one that never sends a sign of life. */
    unleased_timeout_ms: number;
  };
  server: {
    /** The address to listen on: a name or an IP, IPv6 without brackets. */
    host: string;
    port: number | "auto";
    /** The MCP URL of a server on another host, its path included. */
    endpoint: string | null;
    tls: { cert: string | null; key: string | null };
    /** `host` or `host:port`, lower case. */
    allowed_hosts: string[];
    /** `scheme://host[:port]`, as browsers write it. */
    allowed_origins: string[];
    metrics_public: boolean;
    max_connections: number;
  };
  auth: { secret_file: string | null; token_file: string | null };
  spool: {
    /** With so much waiting, further sessions are not recorded. */
    max_bytes: number;
  };
  store: { path: string | null; network_filesystem: boolean };
  /** Set by variables alone. */
  log: { level: LogLevel; folder: string | null };
  cache_dir: string | null;
  profiles: Record<string, Profile>;
}

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

export function defaults(): Config {
  return {
    session: {
      enabled: true,
      audit: "best-effort",
      argv: "program",
      banner: "full",
      heartbeat_ms: 30_000,
      lease_ms: 120_000,
      unleased_timeout_ms: 24 * 3_600_000,
    },
    server: {
      host: "127.0.0.1",
      port: 8678,
      endpoint: null,
      tls: { cert: null, key: null },
      allowed_hosts: [],
      allowed_origins: [],
      metrics_public: false,
      max_connections: 1_024,
    },
    auth: { secret_file: null, token_file: null },
    spool: { max_bytes: GIB },
    store: { path: null, network_filesystem: false },
    log: { level: "info", folder: null },
    cache_dir: null,
    profiles: Object.create(null) as Record<string, Profile>,
  };
}

/** One thing that can be set. */
export interface Key {
  parse: Parse<unknown>;
  /** What it takes, for the sentence that refuses another. */
  takes: string;
  set(config: Config, value: never): void;
}

const key = <T>(
  takes: string,
  parse: Parse<T>,
  set: (config: Config, value: T) => void,
): Key => ({ takes, parse, set });

const BOOLEAN = "true or false";
const PATH = "an absolute path";
const PATH_OR_NULL = `${PATH}, or null`;
const pathOrNull = orNull(path);

const HOST = key(
  "a host name or an IP address, without a port",
  host,
  (c, v) => (c.server.host = v),
);
const PORT = key(
  "a port from 1 to 65535, or auto",
  port,
  (c, v) => (c.server.port = v),
);
const ENDPOINT = key(
  "a URL such as http://127.0.0.1:8678/mcp without a password in it, or null",
  orNull(endpoint),
  (c, v) => (c.server.endpoint = v),
);

/** The keys of a configuration file, but the profiles'. */
export const KEYS: ReadonlyMap<string, Key> = new Map(
  Object.entries({
    "session.enabled": key(BOOLEAN, boolean, (c, v) => (c.session.enabled = v)),
    "session.audit": key(
      "strict or best-effort",
      oneOf("strict", "best-effort"),
      (c, v) => (c.session.audit = v),
    ),
    "session.argv": key(
      "program or full (redacted is not there yet)",
      oneOf("program", "full"),
      (c, v) => (c.session.argv = v),
    ),
    "session.banner": key(
      "full, line or none",
      oneOf("full", "line", "none"),
      (c, v) => (c.session.banner = v),
    ),
    "session.heartbeat": key(
      "a duration such as 30s, at most 24h",
      durationUpTo(DAY_MS),
      (c, v) => (c.session.heartbeat_ms = v),
    ),
    "session.lease": key(
      "a duration such as 120s, at most 365d",
      durationUpTo(365 * DAY_MS),
      (c, v) => (c.session.lease_ms = v),
    ),
    "session.unleased_timeout": key(
      "a duration such as 24h, at most 365d",
      durationUpTo(365 * DAY_MS),
      (c, v) => (c.session.unleased_timeout_ms = v),
    ),
    "server.host": HOST,
    "server.port": PORT,
    "server.endpoint": ENDPOINT,
    "server.tls.cert": key(
      PATH_OR_NULL,
      pathOrNull,
      (c, v) => (c.server.tls.cert = v),
    ),
    "server.tls.key": key(
      PATH_OR_NULL,
      pathOrNull,
      (c, v) => (c.server.tls.key = v),
    ),
    "server.allowed_hosts": key(
      "a list of hosts such as sessions.example.org:8678",
      listOf(authority),
      (c, v) => (c.server.allowed_hosts = v),
    ),
    "server.allowed_origins": key(
      "a list of origins such as https://sessions.example.org",
      listOf(origin),
      (c, v) => (c.server.allowed_origins = v),
    ),
    "server.metrics_public": key(
      BOOLEAN,
      boolean,
      (c, v) => (c.server.metrics_public = v),
    ),
    "server.max_connections": key(
      "a whole number from 1 to 100000",
      wholeNumber(1, 100_000),
      (c, v) => (c.server.max_connections = v),
    ),
    "auth.secret_file": key(
      PATH_OR_NULL,
      pathOrNull,
      (c, v) => (c.auth.secret_file = v),
    ),
    "auth.token_file": key(
      PATH_OR_NULL,
      pathOrNull,
      (c, v) => (c.auth.token_file = v),
    ),
    "spool.max_bytes": key(
      "a whole number of bytes, at least 1048576",
      wholeNumber(MIB, 1024 ** 2 * GIB),
      (c, v) => (c.spool.max_bytes = v),
    ),
    "store.path": key(PATH_OR_NULL, pathOrNull, (c, v) => (c.store.path = v)),
    "store.network_filesystem": key(
      BOOLEAN,
      boolean,
      (c, v) => (c.store.network_filesystem = v),
    ),
    cache_dir: key(PATH_OR_NULL, pathOrNull, (c, v) => (c.cache_dir = v)),
  }),
);

/** The variables, in the order in which they are read: the last one wins. */
export const VARIABLES: ReadonlyMap<string, Key> = new Map(
  Object.entries({
    SESSION_BUDDY_SESSION_ENABLED: key(
      BOOLEAN,
      flag,
      (c, v) => (c.session.enabled = v),
    ),
    SESSION_BUDDY_DATABASE_PATH: key(PATH, path, (c, v) => (c.store.path = v)),
    SESSION_BUDDY_DB_PATH: key(PATH, path, (c, v) => (c.store.path = v)),
    SESSION_BUDDY_HOST: HOST,
    SESSION_BUDDY_PORT: PORT,
    SESSION_BUDDY_MCP_ENDPOINT: ENDPOINT,
    SESSION_BUDDY_TOKEN_FILE: key(
      PATH,
      path,
      (c, v) => (c.auth.token_file = v),
    ),
    SESSION_BUDDY_LOG_DIR: key(PATH, path, (c, v) => (c.log.folder = v)),
    SESSION_BUDDY_LOG_LEVEL: key(
      "debug, info, warn or error",
      level,
      (c, v) => (c.log.level = v),
    ),
  }),
);

/** The keys of one profile. */
export const PROFILE_KEYS: ReadonlyMap<string, Omit<Key, "set">> = new Map(
  Object.entries({
    command: {
      takes: "a list of words",
      parse: (v: Json) =>
        Array.isArray(v) &&
        v.length > 0 &&
        v.every((w) => typeof w === "string")
          ? v
          : undefined,
    },
    component: { takes: "a name", parse: text },
    metadata: {
      takes: "keys and values",
      parse: (v: Json) =>
        v && typeof v === "object" && !Array.isArray(v) ? v : undefined,
    },
  }),
);
