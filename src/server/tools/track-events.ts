/**
 * track_events: the events of another host, many at once. Each is checked by itself,
 * so one that cannot be read never blocks the others. What only the receiving server
 * can know is added here, and heartbeats are converted to this host's time.
 */
import { z } from "zod";
import {
  type Event,
  type JsonObject,
  MAX_EVENT_BYTES,
  eventBytes,
  isKind,
} from "../../model/event.ts";
import { Rejected, reasonOf, fail } from "../../model/failure.ts";
import { isSignOfLife } from "../../model/fold.ts";
import { parseEvent } from "../../model/schema.ts";
import { EVENT_STATUSES, type EventResult } from "../../model/store.ts";
import { NOT_YOURS, type Provenance } from "../../model/reporter.ts";
import { Turns } from "../../os/turns.ts";
import { object, orNull, timestamp } from "./fields.ts";
import type { Recorder } from "./recorder.ts";
import { Rules } from "./rules.ts";
import { type CallCount, UNKNOWN, labelOf } from "./telemetry.ts";
import { tool } from "./tool.ts";

/** Of one call. */
const MAX_EVENTS = 1_000;
/** Of all events of a call, as JSON. */
const MAX_BATCH_BYTES = 1024 * 1024;
/** A clock that differs by less is right: the rest is the call's way to us. */
const WAY_MS = 5_000;

const input = z.strictObject({
  sent_at: timestamp.describe(
    "The sender's clock when it sends this, to tell how far it is off",
  ),
  events: z
    .array(object)
    .max(MAX_EVENTS)
    .describe("Events as the spool holds them, and heartbeats; at most 1,000"),
});

export const trackEvents = tool({
  name: "track_events",
  title: "Track many events at once",
  description:
    "Records events of sessions on another host: what its spool holds, in batches of at most 1,000, and heartbeats. Each event gets its own answer, and sending one again is harmless. People and agents want track_session_start instead.",
  access: "record",
  input,
  output: z.object({
    results: z.array(
      z.object({
        event_id: orNull,
        status: z.enum(EVENT_STATUSES),
        error: orNull,
      }),
    ),
  }),
  max_body_bytes: MAX_BATCH_BYTES,
  run:
    ({ recorder, lease_seconds }) =>
    async (args, { from, received_ms }) => {
      const sent_ms = sentAt(args.sent_at);
      await turns.next();
      const read = readEvents(args.events, lease_seconds);
      const events = read.flatMap(({ event }) => (event ? [event] : []));
      const kept = events.filter(isKept);
      const { stored, rejected } = await append(recorder, kept, from);
      const taken = events.filter((event) => !rejected.has(keyOf(event)));
      const theirs = signsOf(taken, stored);
      const signs = inOurTime(theirs, sent_ms, received_ms);
      const none: ReadonlySet<string> = new Set();
      const others =
        signs.size > 0 ? await recorder.seen(signs, from, theirs) : none;
      return {
        results: read.map((one) => resultOf(one, stored, rejected, others)),
      };
    },
  count: countBatch,
});

/**
 * What became of an event.
 * @param stored loses its key: of the same one twice in a call the first counts
 * @param others sessions of other reporters, whose last_seen has not moved
 */
function resultOf(
  { event, event_id, error }: Read,
  stored: Set<string>,
  rejected: ReadonlyMap<string, string>,
  others: ReadonlySet<string>,
): EventResult {
  if (!event) return { event_id, status: "rejected", error };
  if (stored.delete(keyOf(event)))
    return { event_id, status: "stored", error: null };
  if (isKept(event)) {
    const reason = rejected.get(keyOf(event));
    return reason === undefined
      ? { event_id, status: "duplicate", error: null }
      : { event_id, status: "rejected", error: reason };
  }
  return others.has(event.session_id)
    ? { event_id, status: "rejected", error: NOT_YOURS }
    : { event_id, status: "stored", error: null };
}

/** A call with many events counts once, beside the sessions that it ends. */
function countBatch(
  { events }: z.output<typeof input>,
  outcome: { results: EventResult[] } | null,
): CallCount {
  const ended: string[] = [];
  let last: unknown = null;
  for (const [i, { status }] of (outcome?.results ?? []).entries()) {
    if (status === "rejected") continue;
    const { event_type, session_id } = events[i]!;
    last = session_id;
    if (event_type === "session_end" && status === "stored")
      ended.push(labelOf(String(session_id)));
  }
  return {
    event_type: "track_events",
    component: last === null ? UNKNOWN : labelOf(String(last)),
    ends: ended.map((component) => ({ component, status: "success" })),
  };
}

/** An id names an event within its session alone. */
const keyOf = ({ session_id, event_id }: Event) => `${session_id} ${event_id}`;

/** Stores events; the store tells by id what became of them, this by `keyOf`. */
async function append(
  store: Recorder,
  events: readonly Event[],
  from: Provenance,
): Promise<{ stored: Set<string>; rejected: ReadonlyMap<string, string> }> {
  const stored = new Set<string>();
  const rejected = new Map<string, string>();
  for (const round of roundsOf(events)) {
    const { fresh, reasons } = await appendRound(store, round, from);
    for (const event of round) {
      const reason = reasons.get(event.event_id);
      if (fresh.has(event.event_id)) stored.add(keyOf(event));
      else if (reason !== undefined) rejected.set(keyOf(event), reason);
    }
  }
  return { stored, rejected };
}

/** All at once, but for sessions that share an id: each has it in its own round. */
function roundsOf(events: readonly Event[]): Event[][] {
  const rounds: { sessions: Map<string, string>; events: Event[] }[] = [];
  for (const event of events) {
    const { event_id, session_id } = event;
    let round = rounds.find(
      ({ sessions }) => (sessions.get(event_id) ?? session_id) === session_id,
    );
    if (!round) rounds.push((round = { sessions: new Map(), events: [] }));
    round.sessions.set(event_id, session_id);
    round.events.push(event);
  }
  return rounds.map((round) => round.events);
}

async function appendRound(
  store: Recorder,
  events: readonly Event[],
  from: Provenance,
): Promise<{
  fresh: ReadonlySet<string>;
  reasons: ReadonlyMap<string, string>;
}> {
  try {
    return { fresh: await store.append(events, from), reasons: new Map() };
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    return { fresh: error.stored, reasons: error.reasons };
  }
}

/** Each call is read in a turn of its own. */
const turns = new Turns();

/** A heartbeat moves last_seen, it is no row. */
const isKept = ({ event_type }: Event) => event_type !== "heartbeat";

/**
 * The last sign of life of each session, by the sender's clock.
 * @param stored keys of the events that are new
 */
function signsOf(
  events: readonly Event[],
  stored: ReadonlySet<string>,
): Map<string, string> {
  const last = new Map<string, string>();
  const ends = new Map<string, string>();
  for (const event of events) {
    const { event_type, session_id, timestamp } = event;
    // An end may have been made long after the last sign. What we have already
    // is sent again, by nobody who lives perhaps.
    const ends_it = event_type === "session_end";
    if (!ends_it && !isSignOfLife(event)) continue;
    if (!ends_it && isKept(event) && !stored.has(keyOf(event))) continue;
    const into = ends_it ? ends : last;
    if (timestamp > (into.get(session_id) ?? ""))
      into.set(session_id, timestamp);
  }
  // By its own clock it was no later than the end: by ours it would seem so.
  for (const [session_id, timestamp] of last)
    if (timestamp <= (ends.get(session_id) ?? "")) last.delete(session_id);
  return last;
}

/** Signs by the sender's clock, by this host's: never in times to come. */
function inOurTime(
  signs: ReadonlyMap<string, string>,
  sent_ms: number,
  received_ms: number,
): Map<string, string> {
  const apart_ms = received_ms - sent_ms;
  // Added to a sign, its way would put it after an end of the same moment.
  const behind_ms = Math.abs(apart_ms) < WAY_MS ? 0 : apart_ms;
  const ours = new Map<string, string>();
  for (const [session_id, timestamp] of signs) {
    const made_ms = Date.parse(timestamp);
    // Later than it was sent: by another clock, or one that was set back since.
    const late_ms = made_ms > sent_ms ? 0 : behind_ms;
    const sign_ms = Math.min(made_ms + late_ms, received_ms);
    ours.set(session_id, new Date(sign_ms).toISOString());
  }
  return ours;
}

/** What became of a value; its id as sent while it is no event. */
interface Read {
  event: Event | null;
  event_id: string | null;
  error: string | null;
}

function readEvents(
  values: readonly JsonObject[],
  lease_seconds: number,
): Read[] {
  let bytes = 0;
  return values.map((value) => {
    const read = readEvent(value, lease_seconds);
    if (!read.event) return read;
    const length = eventBytes(read.event);
    bytes += length;
    if (bytes > MAX_BATCH_BYTES)
      throw fail.refused(
        `events: together more than ${MAX_BATCH_BYTES} bytes`,
        "send fewer at once",
      );
    const { event_id } = read;
    return length > MAX_EVENT_BYTES
      ? { event: null, event_id, error: `longer than ${MAX_EVENT_BYTES} bytes` }
      : read;
  });
}

function readEvent(value: JsonObject, lease_seconds: number): Read {
  try {
    const event = stamped(parseEvent(value), lease_seconds);
    return { event, event_id: event.event_id, error: null };
  } catch (error) {
    const { event_id } = value;
    return {
      event: null,
      event_id: typeof event_id === "string" ? event_id.slice(0, 64) : null,
      error: reasonOf(error),
    };
  }
}

/** With what no client may say of itself. */
function stamped(event: Event, lease_seconds: number): Event {
  if (!isKind(event, "session_start")) return event;
  // Another host's process: this one cannot look at it.
  const { pid_namespace: _n, boot_id: _b, ...start } = event;
  // One without heartbeats says so.
  return start.lease_seconds === null ? start : { ...start, lease_seconds };
}

/** @throws Failure (refused) when it is no time */
function sentAt(text: string): number {
  const rules = new Rules();
  const utc = rules.time("sent_at", text);
  rules.check();
  return Date.parse(utc);
}
