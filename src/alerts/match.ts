/** Which events raise an alert of a rule, and what it says. */
import {
  type AlertKind,
  type AlertRule,
  type AlertSession,
} from "../model/alert.ts";
import { type Zone, wallOf } from "../model/clock.ts";
import {
  type CommandEnd,
  type Event,
  type JsonObject,
  type Kind,
  isKind,
} from "../model/event.ts";
import { hasGlob, isAmong } from "../model/glob.ts";
import type { StoredEvent } from "../model/store.ts";
import { duration } from "../render/format.ts";
import { type CommandStarts, MAX_COMMAND } from "./starts.ts";

const EVENTS_OF: Partial<Record<AlertKind, readonly Kind[]>> = {
  session_start: ["session_start"],
  outside_hours: ["session_start"],
  session_end: ["session_end"],
  session_lost: ["session_end"],
  session_longer: ["session_start"],
  command: ["command_start"],
  undelivered: ["session_start", "command_start", "session_end"],
};

/** The events that a rule looks at. */
export const eventsOf = ({ when, exit }: AlertRule): readonly Kind[] =>
  when === "command" && exit !== undefined
    ? ["command_start", "command_end"]
    : (EVENTS_OF[when] ?? []);

/** What an event says for a rule, not yet escaped; null when it says nothing. */
export interface Finding {
  what: string;
  details: JsonObject;
}

/** @param zone that of the rule */
export function findingOf(
  rule: AlertRule,
  stored: StoredEvent,
  zone: Zone,
): Finding | null {
  const { event } = stored;
  switch (rule.when) {
    case "session_start":
      return { what: "began", details: {} };
    case "outside_hours":
      return isWithin(rule, event, zone)
        ? null
        : { what: "began outside of the hours", details: {} };
    case "session_end":
      return endOf(rule, event);
    case "session_lost":
      return isKind(event, "session_end") && event.end_source === "recovered"
        ? { what: "is lost: nobody saw its end", details: {} }
        : null;
    case "command":
      return commandOf(rule, event);
    case "undelivered":
      return lateness(rule, stored);
    default:
      return null;
  }
}

function endOf({ exit }: AlertRule, event: Event): Finding | null {
  if (!isKind(event, "session_end") || event.end_source === "recovered")
    return null;
  const { exit_code, signal, end_source } = event;
  if (!isExit(exit, exit_code, signal)) return null;
  const how = signal ?? (exit_code === null ? null : `exit ${exit_code}`);
  const what = how === null ? "ended" : `ended: ${how}`;
  return { what, details: { exit_code, signal, end_source } };
}

function isExit(
  wanted: AlertRule["exit"],
  exit_code: number | null,
  signal: string | null,
): boolean {
  if (wanted === undefined) return true;
  if (wanted === "failed") return (exit_code ?? 0) !== 0 || signal !== null;
  return exit_code !== null && wanted.includes(exit_code);
}

/** One that has ended, where the rule is about exit statuses. */
export async function endedCommand(
  { matches, exit }: AlertRule,
  end: CommandEnd,
  starts: CommandStarts,
): Promise<Finding | null> {
  const { exit_code = null, duration_ms = null } = end;
  if (!isExit(exit, exit_code, null)) return null;
  const start = await starts.of(end);
  const { text = null, cwd = null } = start ?? {};
  if (matches !== undefined && text === null) return null;
  if (!isAmong(text?.toLowerCase() ?? "", matches, hasGlob)) return null;
  const what = text === null ? "a command whose text is not kept" : text;
  return {
    what: `had exit ${exit_code} of: ${what}`,
    details: {
      ...{
        command: text?.slice(0, MAX_COMMAND) ?? null,
        cwd,
        pid: end.pid ?? null,
      },
      ...{ exit_code, duration_ms, command_event_id: start?.event_id ?? null },
    },
  };
}

function commandOf({ matches, exit }: AlertRule, event: Event): Finding | null {
  if (!isKind(event, "command_start") || exit !== undefined) return null;
  const { text } = event;
  if (typeof text !== "string") return null;
  if (!isAmong(text.toLowerCase(), matches, hasGlob)) return null;
  const command = text.slice(0, MAX_COMMAND);
  const details = { command, cwd: event.cwd ?? null, pid: event.pid ?? null };
  return { what: `ran: ${text}`, details };
}

/** What the store itself says of a lost session is dated back. */
function lateness(
  { than_ms }: AlertRule,
  { event, received_at, provenance }: StoredEvent,
): Finding | null {
  if (provenance === null) return null;
  const late_ms = Date.parse(received_at) - Date.parse(event.timestamp);
  if (late_ms <= than_ms!) return null;
  const late = duration(late_ms / 1_000);
  return {
    what: `is heard of late: what happened waited ${late} to be delivered`,
    details: { event_type: event.event_type, late_seconds: late_ms / 1_000 },
  };
}

/** Whether an event is within the hours of a rule. */
function isWithin(rule: AlertRule, event: Event, zone: Zone): boolean {
  const { hours = [{ from: 0, to: 24 * 60 }], days } = rule;
  const wall = new Date(wallOf(Date.parse(event.timestamp), zone));
  const minute = wall.getUTCHours() * 60 + wall.getUTCMinutes();
  const today = wall.getUTCDay();
  const isDay = (day: number) => days?.includes((day + 7) % 7) ?? true;
  return hours.some(({ from, to }) =>
    from < to
      ? isDay(today) && minute >= from && minute < to
      : // Over midnight: the morning belongs to the day before.
        (isDay(today) && minute >= from) || (isDay(today - 1) && minute < to),
  );
}

/**
 * Whether a session is one that a rule is about.
 * @param session null while its start has not arrived
 */
export const isAbout = (
  { user, host, component, type }: AlertRule,
  session: AlertSession | null,
): boolean =>
  session === null
    ? [user, host, component, type].every((given) => given === undefined)
    : isAmong(session.username, user) &&
      isAmong(session.hostname, host) &&
      isAmong(session.component_name, component) &&
      isAmong(session.session_type, type);
