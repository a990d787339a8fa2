/**
 * Where a server sends every event to: `export_to` of a configuration file. A type of
 * destination is a row here; what it does is in src/forward/. The wrapper, which needs
 * none of it, does not load this.
 */
import type { Json } from "../model/event.ts";
import type { Section } from "./keys.ts";
import { type Parse, oneOf, orNull, path, wholeNumber } from "./values.ts";

interface Common {
  /** Which events: all that are stored, or what arrives once it is set. */
  since: "start" | "now";
}

/** A file of NDJSON that is rotated by its size. */
export interface FileDestination extends Common {
  type: "file";
  path: string;
  max_bytes: number;
  /** Older ones that are kept: `path.1` is the newest of them. */
  files: number;
}

/** systemd's journal. */
export interface JournaldDestination extends Common {
  type: "journald";
  /** Where it listens. */
  socket: string;
}

/** Syslog by RFC 5424. */
export interface SyslogDestination extends Common {
  type: "syslog";
  /** See `syslogAddress`. */
  address: string;
  facility: (typeof FACILITIES)[number];
  /** Certificates that the other end's is signed by; the system's when null. */
  ca: string | null;
  /** Ours, and its key. */
  cert: string | null;
  key: string | null;
}

/** A collector of OpenTelemetry. */
export interface OtlpDestination extends Common {
  type: "otlp";
  /** With its path, mostly /v1/logs. */
  url: string;
  /** Holds a token, sent as a bearer. */
  token_file: string | null;
  ca: string | null;
}

export type DestinationSettings =
  FileDestination | JournaldDestination | SyslogDestination | OtlpDestination;
type Type = DestinationSettings["type"];

interface Field {
  takes: string;
  parse: Parse<unknown>;
  /** Left out where it has to be given. */
  default?: unknown;
}

const MIB = 1024 ** 2;
const ABSOLUTE = "an absolute path";
const ABSOLUTE_OR_NULL = "an absolute path, or null";

/** In the order of their numbers. */
export const FACILITIES = [
  ...(["kern", "user", "mail", "daemon", "auth", "syslog", "lpr"] as const),
  ...(["news", "uucp", "cron", "authpriv", "ftp", "ntp"] as const),
  ...(["audit", "alert", "clock", "local0", "local1", "local2"] as const),
  ...(["local3", "local4", "local5", "local6", "local7"] as const),
] as const;
const SYSLOG_TLS_PORT = 6514;

const isHere = (host: string) =>
  /^(localhost|127(\.\d+){3}|::1)$/.test(host.replace(/^\[(.*)\]$/, "$1"));

/**
 * `unix:/dev/log`, `tls://host:6514`, or `tcp://127.0.0.1:601` on this host.
 * @returns null for what is none of these
 */
export function syslogAddress(
  text: string,
): { path: string } | { host: string; port: number; tls: boolean } | null {
  const path = /^unix:(\/[^\0]+)$/.exec(text)?.[1];
  if (path !== undefined) return { path };
  const url = URL.parse(text);
  if (!url || !/^(tls|tcp):$/.test(url.protocol)) return null;
  const tls = url.protocol === "tls:";
  // What is recorded goes over a network in no plain words.
  if (!tls && (!isHere(url.hostname) || !url.port)) return null;
  if (`${url.username}${url.password}${url.search}${url.hash}`) return null;
  if (!url.hostname || !/^\/?$/.test(url.pathname)) return null;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, port: Number(url.port || SYSLOG_TLS_PORT), tls };
}

const address: Parse<string> = (value) =>
  typeof value === "string" && syslogAddress(value) ? value : undefined;

const collector: Parse<string> = (value) => {
  const url = typeof value === "string" ? URL.parse(value) : null;
  if (!url || url.username || url.password || url.hash) return undefined;
  const plain = url.protocol === "http:" && isHere(url.hostname);
  return plain || url.protocol === "https:" ? url.href : undefined;
};

const pathOrNull = orNull(path);
const ca: Field = {
  ...{ takes: ABSOLUTE_OR_NULL, parse: pathOrNull },
  default: null,
};

const COMMON: Record<string, Field> = {
  since: {
    takes: "start (all that is stored) or now",
    parse: oneOf("start", "now"),
    default: "start",
  },
};

export const DESTINATIONS: Readonly<
  Record<Type, Readonly<Record<string, Field>>>
> = {
  file: {
    path: { takes: ABSOLUTE, parse: path },
    max_bytes: {
      takes: "a whole number of bytes from 65536 on",
      parse: wholeNumber(64 * 1024, 1024 * 1024 * MIB),
      default: 64 * MIB,
    },
    files: {
      takes: "a whole number from 0 to 1000",
      parse: wholeNumber(0, 1_000),
      default: 5,
    },
    ...COMMON,
  },
  journald: {
    socket: {
      takes: ABSOLUTE,
      parse: path,
      default: "/run/systemd/journal/socket",
    },
    ...COMMON,
  },
  syslog: {
    address: {
      takes:
        "unix:/dev/log, tls://host:6514, or tcp://127.0.0.1:601 on this host",
      parse: address,
    },
    facility: {
      takes: `one of ${FACILITIES.join(", ")}`,
      parse: oneOf(...FACILITIES),
      default: "authpriv",
    },
    ...{ ca, cert: ca, key: ca, ...COMMON },
  },
  otlp: {
    url: {
      takes:
        "a URL such as https://collector.example.org/v1/logs without a password in it; http on this host alone",
      parse: collector,
    },
    ...{ token_file: ca, ca, ...COMMON },
  },
};

const TYPES = Object.keys(DESTINATIONS);
const NAME = /^[a-z][a-z0-9_-]{0,39}$/;
const MOST = 16;

/** Those of each file come on top of the others'; by a name, the later one holds. */
export function readDestinations(
  sections: readonly Section[],
): Record<string, DestinationSettings> {
  const all = Object.create(null) as Record<string, DestinationSettings>;
  for (const section of sections) readSection(section, all);
  return all;
}

function readSection(
  { node, report, took }: Section,
  into: Record<string, DestinationSettings>,
): void {
  const place = ["export_to"];
  if (!isGroup(node))
    return report(place, "takes names and keys", "see docs/export-to.md");
  for (const [name, given] of Object.entries(node)) {
    const at = [...place, name];
    const full = !(name in into) && Object.keys(into).length >= MOST;
    if (!NAME.test(name) || full)
      report(
        at,
        `is none of at most ${MOST} names of lower-case letters, digits, - and _`,
        "give it another name, such as siem",
      );
    else if (!isGroup(given))
      report(at, "takes keys and values", `at least type: ${TYPES.join(", ")}`);
    else {
      const read = readOne(given, at, report);
      if (read === null) continue;
      into[name] = read;
      took(at.join("."), at);
    }
  }
}

/** What was given, but for a password in a URL. */
const shown = (value: Json) =>
  JSON.stringify(value).replace(/\/\/.*@/gs, "//…@");

function readOne(
  { type, ...given }: { [key: string]: Json },
  at: string[],
  report: Section["report"],
): DestinationSettings | null {
  const fields = TYPES.includes(type as string)
    ? DESTINATIONS[type as Type]
    : null;
  if (!fields) {
    report(
      [...at, "type"],
      `takes ${TYPES.join(", ")}`,
      `not ${shown(type ?? null)}`,
    );
    return null;
  }
  const read: Record<string, unknown> = { type };
  let whole = true;
  for (const key of Object.keys(given))
    if (!Object.hasOwn(fields, key)) {
      whole = false;
      const known = ["type", ...Object.keys(fields)].join(", ");
      report(
        [...at, key],
        `is no setting of a ${String(type)}`,
        `known: ${known}`,
      );
    }
  for (const [key, field] of Object.entries(fields)) {
    const value = given[key];
    const parsed =
      value === undefined && "default" in field
        ? field.default
        : value === undefined
          ? undefined
          : field.parse(value);
    if (parsed === undefined) {
      whole = false;
      report(
        value === undefined ? at : [...at, key],
        `${value === undefined ? `needs ${key}: it ` : ""}takes ${field.takes}`,
        value === undefined ? "add it" : `not ${shown(value)}`,
      );
    } else read[key] = parsed;
  }
  return whole ? (read as unknown as DestinationSettings) : null;
}

const isGroup = (node: Json): node is { [key: string]: Json } =>
  typeof node === "object" && node !== null && !Array.isArray(node);
