/** What the fold says of some events, for any store to be held to. */
import { expect } from "bun:test";
import type { Event } from "../../src/model/event.ts";
import type { SessionFilter } from "../../src/model/filter.ts";
import { fold } from "../../src/model/fold.ts";
import { type Session, present, settle } from "../../src/model/session.ts";
import type { SessionStore } from "../../src/model/store.ts";

export const id = (n: number, component = "bash") =>
  `${component}-20260206-123456-${n.toString(16).padStart(8, "0")}`;

/** The sessions that events make, newest start first, ties by id. */
export function expected(events: readonly Event[]): Map<string, Session> {
  const byId = Map.groupBy(
    new Map(events.map((event) => [event.event_id, event])).values(),
    (event) => event.session_id,
  );
  const rows = [...byId]
    .map(([id, of]) => settle(fold(id, of)))
    .filter((row) => row !== null)
    .map((row) => present(row, Date.now()))
    .sort((a, b) =>
      a.start_time !== b.start_time
        ? a.start_time < b.start_time
          ? 1
          : -1
        : a.session_id < b.session_id
          ? -1
          : 1,
    );
  return new Map(rows.map((row) => [row.session_id, row]));
}

export async function listed(
  store: SessionStore,
  filter: SessionFilter = {},
): Promise<Session[]> {
  return Array.fromAsync(store.list(filter));
}

/** Holds a store to what the fold says of the same events. */
export async function expectFold(
  store: SessionStore,
  events: readonly Event[],
  leaving_out: readonly string[] = [],
): Promise<void> {
  const seen = await listed(store);
  const wanted = expected(events);
  expect(seen.map((session) => session.session_id)).toEqual([...wanted.keys()]);
  for (const session of seen)
    expect(fields(session, leaving_out)).toEqual(
      fields(wanted.get(session.session_id)!, leaving_out),
    );
}

/** Field by field, metadata as text: its order counts, and `__proto__` in it. */
function fields(
  session: Session,
  leaving_out: readonly string[],
): [string, unknown][] {
  return Object.entries(session)
    .filter(([key]) => !leaving_out.includes(key))
    .filter(([key]) => key !== "duration_seconds" || session.end_time !== null)
    .map(([key, value]): [string, unknown] => [
      key,
      key === "metadata" ? JSON.stringify(value) : value,
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
