/**
 * Events and session ids in the form that the statements take.
 */
import { type DuckDBValue, listValue } from "@duckdb/node-api";
import type { Event } from "../model/event.ts";
import { startSecondOf } from "../model/id.ts";
import type { SessionRow } from "../model/session.ts";

/** Whether a row may stand among the closed, where the id's time finds it. */
export function beganAsNamed({ session_id, start_time }: SessionRow): boolean {
  const second = startSecondOf(session_id);
  return second !== null && start_time.startsWith(second);
}

/** Ids, and the span of the seconds that they name. */
export function among(ids: Iterable<string>): DuckDBValue[] {
  const list = [...ids];
  const seconds = list
    .map(startSecondOf)
    .filter((s) => s !== null)
    .sort();
  return [listValue(list), seconds[0] ?? null, seconds.at(-1) ?? null];
}

const SURROGATE = /\\(?:\\|ud[89a-f][0-9a-f]{2})/g;

/** An event as JSON that any reader takes: half a surrogate pair becomes U+FFFD. */
export function wellFormed(event: Event): { event: Event; payload: string } {
  const json = JSON.stringify(event);
  if (!json.includes("\\ud")) return { event, payload: json };
  // An escaped backslash is matched so that it does not begin an escape.
  const payload = json.replace(SURROGATE, (escape) =>
    escape === "\\\\" ? escape : "\ufffd",
  );
  return { event: JSON.parse(payload) as Event, payload };
}
