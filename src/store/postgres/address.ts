/**
 * Where the database is: postgres://user@host[:port][,host2[:port]…]/database, with
 * `sslmode`, `sslrootcert`, `pgbouncer` as parameters; a folder as `host` is that of
 * a socket, whose port is that of the URL.
 */
import { readFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { errnoOf, fail, reasonOf } from "../../model/failure.ts";

export interface Address {
  hosts: readonly Host[];
  database: string;
  username: string;
  /** null where none is given. */
  password: string | null;
  tls: Tls | null;
  /** A pooler in transaction mode is between. */
  pgbouncer: boolean;
  /** For people: without a password. */
  name: string;
  /** The same for PostgreSQL's own tools, without a password. */
  url: string;
}

export type Host = { hostname: string; port: number } | { path: string };

export interface Tls {
  rejectUnauthorized: boolean;
  ca?: string;
  /** Whether the certificate has to be of the host's name. */
  checkServerIdentity?: () => undefined;
}

const DEFAULT_PORT = 5_432;
const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/;
const SSL_MODES = ["disable", "require", "verify-ca", "verify-full"] as const;
const PARAMETERS = ["sslmode", "sslrootcert", "pgbouncer", "host"];

const URL_PARTS =
  /^postgres(?:ql)?:\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;

/**
 * @param url see above
 * @param password null: what PGPASSFILE says
 * @param ca_file of the authority that has signed the server's certificate
 * @throws Failure (config)
 */
export function addressOf(
  url: string,
  password: string | null,
  ca_file: string | null,
): Address {
  const parts = URL_PARTS.exec(url);
  if (!parts) throw notAnAddress("it does not begin with postgres://");
  const [, user = "", secret, hostlist = "", path = "", query = ""] = parts;
  if (secret !== undefined)
    throw notAnAddress(
      "it has a password in it",
      "put it in store.password_file, or in PGPASSFILE",
    );
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys())
    if (!PARAMETERS.includes(name))
      throw notAnAddress(
        `it has the parameter '${name}'`,
        `it may have ${PARAMETERS.join(", ")}`,
      );
  const username = unquoted(user) || userInfo().username;
  const database = unquoted(path) || username;
  const hosts = hostsOf(parameters.get("host") ?? hostlist, hostlist);
  const tls = tlsOf(hosts, parameters, ca_file);
  const named = `PostgreSQL database '${database}' at ${hosts.map(nameOf).join(", ")}`;
  return {
    ...{ hosts, database, username, name: named },
    password: password ?? passwordFor(hosts, database, username),
    tls,
    pgbouncer: parameters.get("pgbouncer") === "true",
    url: forTools(url, parameters, tls, ca_file),
  };
}

/** libpq verifies nothing of itself, and knows no parameter of ours. */
function forTools(
  url: string,
  parameters: URLSearchParams,
  tls: Tls | null,
  ca_file: string | null,
): string {
  const theirs = new URLSearchParams(parameters);
  theirs.delete("pgbouncer");
  if (tls && !theirs.has("sslmode")) theirs.set("sslmode", "verify-full");
  if (tls?.ca !== undefined && !theirs.has("sslrootcert") && ca_file !== null)
    theirs.set("sslrootcert", ca_file);
  const [place] = url.split("?");
  return theirs.size > 0 ? `${place}?${theirs}` : place!;
}

const notAnAddress = (why: string, hint?: string) =>
  fail.config(
    `store.url cannot be used: ${why}`,
    hint ??
      "for example: postgres://session_buddy@db.example.org/session_buddy",
  );

function unquoted(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw notAnAddress(`'${text}' has a % that quotes nothing`);
  }
}

/** @param place what stands before the database in the URL */
function hostsOf(list: string, place: string): Host[] {
  return list.split(",").map((each) => {
    const text = unquoted(each);
    if (text.startsWith("/")) {
      const [, port = DEFAULT_PORT] = /:(\d+)$/.exec(place) ?? [];
      return { path: join(text, `.s.PGSQL.${port}`) };
    }
    const found = /^(?:\[([0-9a-fA-F:]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text);
    if (!found) throw notAnAddress(`'${text}' is no host`);
    const hostname = found[1] ?? found[2] ?? "";
    const port = Number(found[3] ?? DEFAULT_PORT);
    if (port < 1 || port > 65_535) throw notAnAddress(`'${text}' has no port`);
    return { hostname: hostname || "localhost", port };
  });
}

const nameOf = (host: Host): string =>
  "path" in host ? host.path : `${host.hostname}:${host.port}`;

function tlsOf(
  hosts: readonly Host[],
  parameters: URLSearchParams,
  ca_file: string | null,
): Tls | null {
  const near = hosts.every(
    (host) => "path" in host || LOOPBACK.test(host.hostname),
  );
  const mode = parameters.get("sslmode") ?? (near ? "disable" : "verify-full");
  if (!(SSL_MODES as readonly string[]).includes(mode))
    throw notAnAddress(
      `sslmode '${mode}' is none that is known`,
      `one of ${SSL_MODES.join(", ")}`,
    );
  if (mode === "disable") return null;
  if (mode === "require") return { rejectUnauthorized: false };
  const file = parameters.get("sslrootcert") ?? ca_file;
  return {
    rejectUnauthorized: true,
    ...(file !== null && {
      ca: read(file, "the certificates of store.ca_file"),
    }),
    ...(mode === "verify-ca" && { checkServerIdentity: () => undefined }),
  };
}

function read(file: string, what: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw fail.config(
      `${what} cannot be read: ${reasonOf(error)}`,
      `check ${file}`,
    );
  }
}

/** Of the first line in PGPASSFILE that fits, as libpq does. */
function passwordFor(
  hosts: readonly Host[],
  database: string,
  username: string,
): string | null {
  const file = process.env["PGPASSFILE"] ?? join(homedir(), ".pgpass");
  let lines: string[];
  try {
    lines = readFileSync(file, "utf8").split("\n");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw fail.config(
      `the passwords in PGPASSFILE cannot be read: ${reasonOf(error)}`,
      `check ${file}`,
    );
  }
  for (const line of lines) {
    if (line.startsWith("#")) continue;
    const fields = line
      .split(/(?<!\\):/)
      .map((field) => field.replace(/\\(.)/g, "$1"));
    const [host, port, base, user, password] = fields;
    const fits = (pattern: string | undefined, value: string) =>
      pattern === "*" || pattern === value;
    const known = hosts.some((each) =>
      "path" in each
        ? fits(host, "localhost")
        : fits(host, each.hostname) && fits(port, String(each.port)),
    );
    if (known && fits(base, database) && fits(user, username))
      return password ?? null;
  }
  return null;
}
