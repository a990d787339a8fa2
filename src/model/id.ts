/**
 * Session ids: `{component}-{YYYYMMDD}-{HHMMSS}-{8 hex}`, the time in UTC, the hex the
 * first of the start event's UUIDv4; for a channel `chan_` and 12 hex. They name files
 * and are given to children, so a text is one only if it matches the pattern.
 */

const SESSION_ID =
  /^(?:[a-zA-Z0-9_-]{1,100}-\d{8}-\d{6}-[0-9a-f]{8,32}|chan_[0-9a-f]{12})$/;
/** No dash first: that would be a flag. */
const COMPONENT = /^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,99}$/;

export const isSessionId = (text: string): boolean => SESSION_ID.test(text);

const NAMED_SECOND = /-(\d{4})(\d{2})(\d{2})-(\d{2})(\d{2})(\d{2})-[0-9a-f]+$/;

/** The UTC second that an id names, `2026-02-06T12:34:56`; null when it names none. */
export function startSecondOf(session_id: string): string | null {
  const named = NAMED_SECOND.exec(session_id);
  if (!named) return null;
  const [, Y, M, D, h, m, s] = named;
  const second = `${Y}-${M}-${D}T${h}:${m}:${s}`;
  const time = Date.parse(`${second}Z`);
  if (Number.isNaN(time)) return null;
  // The 30th of February would pass for the 2nd of March.
  return new Date(time).toISOString().startsWith(second) ? second : null;
}

export const isComponentName = (text: string): boolean => COMPONENT.test(text);

/**
 * A component name made of any text: letters lose their accents, what is not
 * ASCII then becomes `-`, and where nothing is left it is `program`.
 */
export function toComponentName(text: string): string {
  const plain = /^[\w-]*$/.test(text)
    ? text
    : text.normalize("NFKD").replace(/\p{M}+/gu, "");
  const name = plain.replace(/[^a-zA-Z0-9_-]+/g, "-").replace(/^-+/, "");
  return name.slice(0, 100) || "program";
}

/**
 * A random UUID (version 4).
 * @param random 16 random bytes; two of them are changed
 */
export function uuidOf(random: Uint8Array): string {
  random[6] = (random[6]! & 0x0f) | 0x40;
  random[8] = (random[8]! & 0x3f) | 0x80;
  const hex = random.toHex();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const UUID_V4 =
  /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * The hex that a session's id may take from its start event: all of a UUIDv4;
 * of others, whose head may be a clock, all of their SHA-256.
 * @param eventId a UUID in lower case with hyphens
 */
export function idHexOf(eventId: string): string {
  const hex = eventId.replaceAll("-", "");
  if (UUID_V4.test(eventId)) return hex;
  return digest("sha256", Uint8Array.fromHex(hex)).toHex();
}

const NAMESPACE = "8d6d1b0a-5c7e-4f0f-9a53-c1e0b7d24e96";

/** The UUIDv5 of a name. */
export const namedUuid = (name: string): string =>
  Bun.randomUUIDv5(name, NAMESPACE);

/** The event_id of an end that the wire brings: brought again, it is the same. */
export const endEventId = (session_id: string): string =>
  namedUuid(`${session_id} end`);

export const digest = (algorithm: "sha256", bytes: Uint8Array): Uint8Array =>
  new Bun.CryptoHasher(algorithm).update(bytes).digest();

/**
 * @param hex the session_start's UUIDv4, or its `idHexOf`
 * @param digits how much of it: more than 8 where 8 are taken
 */
export function sessionIdOf(
  component: string,
  startedAt: Date,
  hex: string,
  digits: number = 8,
): string {
  const [date, time] = startedAt.toISOString().slice(0, 19).split("T");
  const plain = (part: string) => part.replaceAll("-", "").replaceAll(":", "");
  return `${component}-${plain(date!)}-${plain(time!)}-${hex.slice(0, digits)}`;
}

/** The component that an id names; null of a channel's session. */
export function componentOf(session_id: string): string | null {
  const named = NAMED_SECOND.exec(session_id);
  return named && session_id.slice(0, named.index);
}
