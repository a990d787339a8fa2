/** An event as one line of JSON, as a sentence, and how much it matters. */
import { type Event, isKind } from "../model/event.ts";
import { plainJson } from "../model/json.ts";
import type { Outgoing } from "./destination.ts";

/** How every line begins. */
export const BEGIN = '{"seq":';
const MOST_TEXT = 1_000;

/** As an export has it, without the newline. */
export const lineOf = ({ seq, received_at, provenance, json }: Outgoing) =>
  `${BEGIN}${seq},"received_at":"${received_at}","provenance":${plainJson(provenance)},"event":${json}}`;

/** What a receiver gets in place of a line that is too long for it. */
export function shortLine({ seq, received_at, event }: Outgoing): string {
  const { event_version, event_id, session_id, event_type, timestamp } = event;
  const kept = { event_version, event_id, session_id, event_type, timestamp };
  return plainJson({ seq, received_at, cut: true, event: kept });
}

/** In ASCII alone: the same JSON. */
export const asciiOf = (json: string): string =>
  json.replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** Whether somebody may want to look: something ended badly, or nobody saw its end. */
export function isWarning(event: Event): boolean {
  const { exit_code, signal, end_source } = event as {
    exit_code?: unknown;
    signal?: unknown;
    end_source?: unknown;
  };
  const ended = /_end$/.test(event.event_type);
  const failed = typeof exit_code === "number" && exit_code !== 0;
  return ended && (failed || !!signal || end_source === "recovered");
}

/** For whoever reads a log: one line in which nothing acts on a terminal. */
export function sentenceOf(event: Event): string {
  const { event_type, session_id } = event;
  const said = saidOf(event);
  // As JSON writes it, without the quotes.
  const text = said === "" ? "" : `: ${plainJson(said).slice(1, -1)}`;
  const whole = `${event_type} ${session_id}${text}`;
  return whole.length > MOST_TEXT ? `${whole.slice(0, MOST_TEXT)}…` : whole;
}

function saidOf(event: Event): string {
  if (isKind(event, "session_start"))
    return `${event.user.username}@${event.hostname} ${event.component_name}`;
  const { text, note, exit_code, signal } = event as {
    [K in "text" | "note" | "exit_code" | "signal"]?: unknown;
  };
  if (typeof text === "string") return text;
  if (typeof note === "string") return note;
  if (typeof signal === "string") return signal;
  return typeof exit_code === "number" ? `exit status ${exit_code}` : "";
}
