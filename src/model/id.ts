/**
 * Session ids: `{component}-{YYYYMMDD}-{HHMMSS}-{8 hex}`, the time in UTC, the
 * hex the head of the start event's UUIDv4; of a channel's session `chan_` and
 * 12 hex. They name files and are handed to children, so nothing that fails the
 * pattern is ever taken for one.
 */

const SESSION_ID =
  /^(?:[a-zA-Z0-9_-]{1,100}-\d{8}-\d{6}-[0-9a-f]{8,32}|chan_[0-9a-f]{12})$/;
const COMPONENT = /^[a-zA-Z0-9_-]{1,100}$/;

export function isSessionId(text: string): boolean {
  return SESSION_ID.test(text);
}

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

export function isComponentName(text: string): boolean {
  return COMPONENT.test(text);
}

/**
 * A component name made of any text: other characters become `-`, an empty one
 * becomes `shell`.
 */
export function toComponentName(text: string): string {
  return text.replace(/[^a-zA-Z0-9_-]+/g, "-").slice(0, 100) || "shell";
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

/** @param eventId the UUIDv4 of the session_start event */
export function sessionIdOf(
  component: string,
  startedAt: Date,
  eventId: string,
): string {
  const [date, time] = startedAt.toISOString().slice(0, 19).split("T");
  const digits = (part: string) => part.replaceAll("-", "").replaceAll(":", "");
  return `${component}-${digits(date!)}-${digits(time!)}-${eventId.slice(0, 8)}`;
}
