/**
 * Checks the Host and Origin headers. A stranger's page can make a browser send
 * requests here, also under a name that it made point here (DNS rebinding); it
 * cannot choose these headers.
 */
import { isLoopback, isOwnAddress, isWildcard } from "../../os/address.ts";

export interface Names {
  /** Where the server listens: a numeric address, and the port. */
  bound: { host: string; port: number };
  tls: boolean;
  /** Further values of Host: `name`, with any port, or `name:port`. */
  allowed_hosts: readonly string[];
  /** Further values of Origin, as browsers write them. */
  allowed_origins: readonly string[];
}

interface Authority {
  /** Lower case, an IPv6 address without its brackets. */
  name: string;
  port: number | null;
}

/** A name or an address, and a port. */
function parseAuthority(text: string): Authority | null {
  const match =
    /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::(\d{1,5}))?$/.exec(
      text.toLowerCase(),
    );
  if (!match) return null;
  const port = match[3] === undefined ? null : Number(match[3]);
  return { name: match[1] ?? match[2]!, port };
}

/** Whether a Host header can be one at all. */
export const isWellFormedHost = (host: string): boolean =>
  parseAuthority(host) !== null;

/** Whether a request for this host is meant for us. */
export function isOurHost(host: string, names: Names): boolean {
  const authority = parseAuthority(host);
  if (!authority) return false;
  const { name, port } = authority;
  const asked = port ?? (names.tls ? 443 : 80);
  if (asked === names.bound.port && isBound(name, names)) return true;
  const asWritten = name.includes(":") ? `[${name}]` : name;
  return names.allowed_hosts.some((allowed) =>
    [host.toLowerCase(), name, asWritten].includes(allowed.toLowerCase()),
  );
}

function isBound(name: string, { bound }: Names): boolean {
  if (name === "localhost" || name === bound.host || isLoopback(name))
    return true;
  // An address, unlike a name, cannot be made to point elsewhere.
  return isWildcard(bound.host) && isOwnAddress(name);
}

/** Whether a page of this origin may talk to us: our own, or an allowed one. */
export function isOurOrigin(origin: string, names: Names): boolean {
  if (isAllowedOrigin(origin, names)) return true;
  const match = /^(https?):\/\/(.+)$/.exec(origin.toLowerCase());
  const authority = match && parseAuthority(match[2]!);
  if (!authority) return false;
  const { name, port } = authority;
  const own = ["localhost", "127.0.0.1", "::1", names.bound.host];
  const standard = match[1] === "https" ? 443 : 80;
  return own.includes(name) && (port ?? standard) === names.bound.port;
}

/** Whether it is another's origin that the settings name. `null` is anybody's. */
export function isAllowedOrigin(origin: string, names: Names): boolean {
  const plain = (text: string) => text.toLowerCase().replace(/\/$/, "");
  return (
    origin !== "null" &&
    names.allowed_origins.some((allowed) => plain(allowed) === plain(origin))
  );
}
