/**
 * Lists what can be set: every key of a configuration file and every variable,
 * what it takes, and where it goes. load.ts finds and reads them.
 *
 * Every start of the wrapper loads this: nothing here looks at a value before the
 * user has set it.
 */
import type { Json, JsonObject } from "../model/event.ts";
import { type Choice, EVERY_RULE } from "../model/redaction/custom.ts";
import type { RecordWhen } from "../model/recording/when.ts";
import { RECORD_TAKES } from "./record-when.ts";
import {
  DAY_MS,
  type LogLevel,
  type Parse,
  authority,
  boolean,
  databaseUrl,
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
  ruleName,
  port,
  text,
  wholeNumber,
} from "./values.ts";

export interface Profile {
  command?: string[];
  component?: string;
  metadata?: JsonObject;
}

/** What one file says of what the wrapper has no use for: `alerts`, `export_to`. */
export interface Section {
  node: Json;
  /** Is told what is wrong with the value at a path, and what to do. */
  report: (path: string[], what: string, hint: string) => void;
  /** Is told of each value that is taken. */
  took: (name: string, path: string[]) => void;
}

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** The settings where the user sets nothing. */
export const defaults = () => ({
  session: {
    enabled: true,
    audit: "best-effort" as "strict" | "best-effort",
    /** What of a command line is recorded: its program, every word, or every word without secrets. */
    argv: "redacted" as "program" | "full" | "redacted",
    banner: "full" as "full" | "line" | "none",
    /** Whether what is typed into a shell is recorded. */
    commands: true as boolean,
    /** Whether what a terminal shows is recorded, or of which sessions. */
    record: false as boolean | { when: RecordWhen[] },
    heartbeat_ms: 30_000,
    /** How long after a sign of life a session from elsewhere counts as active. */
    lease_ms: 120_000,
    /** The same for one that never sends a sign of life. */
    unleased_timeout_ms: 24 * 3_600_000,
  },
  server: {
    /** The address to listen on: a name or an IP, IPv6 without brackets. */
    host: "127.0.0.1",
    port: 8678 as number | "auto",
    /** The MCP URL of a server on another host, its path included. */
    endpoint: null as string | null,
    tls: { cert: null as string | null, key: null as string | null },
    /** `host` or `host:port`, lower case. */
    allowed_hosts: [] as string[],
    /** `scheme://host[:port]`, as browsers write it. */
    allowed_origins: [] as string[],
    metrics_public: false,
    /** Whether the page to look at is served from the start. */
    dashboard: false as boolean,
    max_connections: 1_024,
  },
  auth: {
    secret_file: null as string | null,
    token_file: null as string | null,
  },
  /** What is taken out of texts before they are written. */
  redaction: { ...EVERY_RULE } as Choice,
  /** With so much waiting, further sessions are not recorded. */
  spool: { max_bytes: GIB },
  /** How large the recording of a session becomes, and all of them. */
  recordings: {
    session_bytes: 64 * MIB,
    max_bytes: 5 * GIB,
    /** How long one is kept; null: as long as there is room. */
    keep_ms: null as number | null,
  },
  /** How recordings are brought to a server on another host. */
  delivery: {
    recordings: "closed" as "off" | "closed",
    bytes_per_second: MIB,
  },
  store: {
    path: null as string | null,
    network_filesystem: false,
    /** A PostgreSQL database, instead of a file. */
    url: null as string | null,
    password_file: null as string | null,
    /** Of the authority that has signed the database's certificate. */
    ca_file: null as string | null,
    /** The folder of `recordings/` that servers share; null: the data folder. */
    recordings: null as string | null,
    /** How long a file of the spool is kept once its events are stored; null: a minute. */
    keep_done_ms: null as number | null,
  },
  /** Set by variables alone. */
  log: { level: "info" as LogLevel, folder: null as string | null },
  cache_dir: null as string | null,
  profiles: Object.create(null) as Record<string, Profile>,
  /** What the files say of these, not read yet: see destinations.ts and alerts.ts. */
  export_to: [] as Section[],
  alerts: [] as Section[],
});

export type Config = ReturnType<typeof defaults>;

/** One thing that can be set. */
export interface Key {
  /** As a configuration file has it: `session.heartbeat`. */
  name: string;
  /** What it takes, for the sentence that refuses another value. */
  takes: string;
  parse: Parse<unknown>;
  set(config: Config, value: never): void;
}

/** Makes the keys of one group; a duration's key has no unit in its name. */
const group =
  <G>(prefix: string, of: (config: Config) => G) =>
  <F extends keyof G & string>(
    field: F,
    takes: string,
    parse: Parse<G[F]>,
  ): Key => ({
    name: prefix + (field.endsWith("_ms") ? field.slice(0, -3) : field),
    ...{ takes, parse },
    set: (config, value: G[F]) => (of(config)[field] = value),
  });

const session = group("session.", (config) => config.session);
const server = group("server.", (config) => config.server);
const tls = group("server.tls.", (config) => config.server.tls);
const auth = group("auth.", (config) => config.auth);
const store = group("store.", (config) => config.store);
const recordings = group("recordings.", (config) => config.recordings);
const delivery = group("delivery.", (config) => config.delivery);
const log = group("log.", (config) => config.log);

const BOOLEAN = "true or false";
const PATH = "an absolute path";
const PATH_OR_NULL = `${PATH}, or null`;
const pathOrNull = orNull(path);

const HOST = server(
  "host",
  "a host name or an IP address, without a port",
  host,
);
const PORT = server("port", "a port from 1 to 65535, or auto", port);
const ENDPOINT_TAKES =
  "a URL such as http://127.0.0.1:8678/mcp without a password in it, or null";
const ENDPOINT = server("endpoint", ENDPOINT_TAKES, orNull(endpoint));

const STORE_URL_TAKES =
  "a URL such as postgres://user@db.example.org/session_buddy without a password in it (that belongs in store.password_file, or in PGPASSFILE), or null";

/** The keys of a configuration file, but the profiles'. */
export const KEYS: ReadonlyMap<string, Key> = new Map(
  [
    session("enabled", BOOLEAN, boolean),
    session("audit", "strict or best-effort", oneOf("strict", "best-effort")),
    session(
      "argv",
      "redacted, program or full",
      oneOf("redacted", "program", "full"),
    ),
    session("banner", "full, line or none", oneOf("full", "line", "none")),
    session("commands", BOOLEAN, boolean),
    session("record", RECORD_TAKES, boolean),
    session(
      "heartbeat_ms",
      "a duration such as 30s, at most 24h",
      durationUpTo(DAY_MS),
    ),
    session(
      "lease_ms",
      "a duration such as 120s, at most 365d",
      durationUpTo(365 * DAY_MS),
    ),
    session(
      "unleased_timeout_ms",
      "a duration such as 24h, at most 365d",
      durationUpTo(365 * DAY_MS),
    ),
    ...[HOST, PORT, ENDPOINT],
    tls("cert", PATH_OR_NULL, pathOrNull),
    tls("key", PATH_OR_NULL, pathOrNull),
    server(
      "allowed_hosts",
      "a list of hosts such as sessions.example.org:8678",
      listOf(authority),
    ),
    server(
      "allowed_origins",
      "a list of origins such as https://sessions.example.org",
      listOf(origin),
    ),
    server("metrics_public", BOOLEAN, boolean),
    server("dashboard", BOOLEAN, boolean),
    server(
      "max_connections",
      "a whole number from 1 to 100000",
      wholeNumber(1, 100_000),
    ),
    auth("secret_file", PATH_OR_NULL, pathOrNull),
    auth("token_file", PATH_OR_NULL, pathOrNull),
    group("redaction.", (config) => config.redaction)(
      "off",
      "a list of names of rules, as `session-buddy redact --check` shows them",
      listOf(ruleName),
    ),
    group("spool.", (config) => config.spool)(
      "max_bytes",
      "a whole number of bytes, at least 1048576",
      wholeNumber(MIB, 1024 ** 2 * GIB),
    ),
    recordings(
      "session_bytes",
      "a whole number of bytes, at least 65536",
      wholeNumber(64 * 1024, GIB),
    ),
    recordings(
      "max_bytes",
      "a whole number of bytes, at least 1048576",
      wholeNumber(MIB, 1024 ** 2 * GIB),
    ),
    recordings(
      "keep_ms",
      "a duration such as 90d, at most 36500d, or null",
      orNull(durationUpTo(36_500 * DAY_MS)),
    ),
    delivery("recordings", "off or closed", oneOf("off", "closed")),
    delivery(
      "bytes_per_second",
      "a whole number of bytes, at least 4096",
      wholeNumber(4096, GIB),
    ),
    store("path", PATH_OR_NULL, pathOrNull),
    store("network_filesystem", BOOLEAN, boolean),
    store("url", STORE_URL_TAKES, orNull(databaseUrl)),
    store("password_file", PATH_OR_NULL, pathOrNull),
    store("ca_file", PATH_OR_NULL, pathOrNull),
    store("recordings", PATH_OR_NULL, pathOrNull),
    store(
      "keep_done_ms",
      "a duration such as 15m, at most 30d, or null",
      orNull(durationUpTo(30 * DAY_MS)),
    ),
    group("", (config) => config)("cache_dir", PATH_OR_NULL, pathOrNull),
  ].map((key) => [key.name, key]),
);

/** The variables, in the order in which they are read: the last one wins. */
export const VARIABLES: ReadonlyMap<string, Key> = new Map(
  Object.entries({
    SESSION_BUDDY_SESSION_ENABLED: session("enabled", BOOLEAN, flag),
    SESSION_BUDDY_SESSION_RECORD: session("record", BOOLEAN, flag),
    SESSION_BUDDY_DATABASE_PATH: store("path", PATH, path),
    SESSION_BUDDY_DB_PATH: store("path", PATH, path),
    SESSION_BUDDY_STORE_URL: store("url", STORE_URL_TAKES, (v) =>
      v === "null" ? null : databaseUrl(v),
    ),
    SESSION_BUDDY_STORE_PASSWORD_FILE: store("password_file", PATH, path),
    SESSION_BUDDY_HOST: HOST,
    SESSION_BUDDY_PORT: PORT,
    SESSION_BUDDY_MCP_ENDPOINT: server("endpoint", ENDPOINT_TAKES, (v) =>
      v === "null" ? null : endpoint(v),
    ),
    SESSION_BUDDY_TOKEN_FILE: auth("token_file", PATH, path),
    SESSION_BUDDY_LOG_DIR: log("folder", PATH, path),
    SESSION_BUDDY_LOG_LEVEL: log("level", "debug, info, warn or error", level),
  }),
);

/** The keys of one profile. */
export const PROFILE_KEYS: ReadonlyMap<
  string,
  Pick<Key, "takes" | "parse">
> = new Map(
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
