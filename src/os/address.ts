/**
 * Parses and classifies IP addresses. All are 16 bytes, IPv4 in its IPv6-mapped
 * form, so that `127.0.0.1` and `::ffff:127.0.0.1` are the same.
 */

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
const OWN_FOR_MS = 5_000;

/**
 * @param text `127.0.0.1`, `::1`, `::ffff:10.0.0.1`; no brackets, zone or port
 * @returns 16 bytes in network order, or null when it is no address
 */
export function parseAddress(text: string): Uint8Array | null {
  const v4 = parseV4(text);
  if (v4) return mapped(v4);
  return text.length <= 45 && text.includes(":") ? parseV6(text) : null;
}

function parseV4(text: string): number[] | null {
  const parts = text.split(".");
  // No octal, no short forms: what others read differently is no address here.
  const valid = parts.every((p) => /^(0|[1-9]\d{0,2})$/.test(p) && +p < 256);
  return parts.length === 4 && valid ? parts.map(Number) : null;
}

function parseV6(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half, index) =>
    groups(half, index === halves.length - 1),
  );
  if (!head || tail === null) return null;
  const missing = 16 - head.length - (tail?.length ?? 0);
  if (tail ? missing < 2 : missing !== 0) return null;
  return Uint8Array.from([
    ...head,
    ...Array<number>(missing).fill(0),
    ...(tail ?? []),
  ]);
}

/** The bytes of groups between colons; the last of an address may be IPv4. */
function groups(text: string, isEnd: boolean): number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const v4 = isEnd && index === parts.length - 1 ? parseV4(part) : null;
    if (v4) bytes.push(...v4);
    else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      const group = parseInt(part, 16);
      bytes.push(group >> 8, group & 0xff);
    } else return null;
  }
  return bytes;
}

/** The four bytes of an IPv4 address as sixteen. */
export const mapped = (v4: ArrayLike<number>): Uint8Array =>
  Uint8Array.from([...MAPPED, ...Array.from(v4)]);

export const isMapped = (bytes: Uint8Array): boolean =>
  MAPPED.every((byte, index) => bytes[index] === byte);

/** Whether an address never leaves its host: 127.0.0.0/8 or ::1. */
export function isLoopback(address: string): boolean {
  const bytes = parseAddress(address);
  if (!bytes) return false;
  if (isMapped(bytes)) return bytes[12] === 127;
  return bytes.every((byte, index) => byte === (index === 15 ? 1 : 0));
}

/** Whether it stands for every address of the host: 0.0.0.0 or ::. */
export function isWildcard(address: string): boolean {
  const bytes = parseAddress(address);
  if (!bytes) return false;
  return bytes.every((byte, i) => byte === 0 || (isMapped(bytes) && i < 12));
}

let own = new Set<string>();
let ownUntil = 0;

/** Whether an address is one of this host's, loopback included; asked of the host every 5 s. */
export function isOwnAddress(address: string): boolean {
  if (isLoopback(address)) return true;
  const bytes = parseAddress(address);
  if (!bytes) return false;
  if (performance.now() >= ownUntil) {
    const { networkInterfaces } = process.getBuiltinModule("node:os");
    const all = Object.values(networkInterfaces()).flatMap(
      (each) => each ?? [],
    );
    own = new Set(
      all.map(({ address: one }) => parseAddress(one)?.join() ?? ""),
    );
    ownUntil = performance.now() + OWN_FOR_MS;
  }
  return own.has(bytes.join());
}

/** Where a browser of this host finds the page of a server, by its MCP address. */
export function pageAddress(mcp: string): string {
  const url = new URL("/", mcp);
  const name = url.hostname.replace(/^\[|\]$/g, "");
  if (isWildcard(name))
    url.hostname = name.includes(":") ? "[::1]" : "127.0.0.1";
  return url.href;
}
