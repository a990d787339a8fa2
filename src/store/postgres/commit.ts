/**
 * One batch of events in one transaction: who may report them, which are new, and the
 * rows of their sessions. Correct is what compares `version`; the locks save doing it
 * again where several servers write of one session.
 */
import type { Event, Redaction } from "../../model/event.ts";
import { apply, changesReporter } from "../../model/fold.ts";
import { isClosed } from "../../model/session.ts";
import { emptyState, parseState } from "../../model/state.ts";
import { type Rejected, type Stored, admit, keyOf } from "../admission.ts";
import type { Arrival } from "../arrivals.ts";
import { Removals } from "../removals.ts";
import { provenances } from "../rows.ts";
import type { Connection } from "./connect.ts";
import { foldAnew } from "./refold.ts";
import { type Changed, type Known, readKnown, writeRows } from "./rows.ts";
import { arrayOf, encoded } from "./text.ts";
import { deleteTold, insertTold } from "./told.ts";

export interface Rules {
  /** Whether rows are locked while they are worked on. */
  locks: boolean;
  /** How far the caller's clock is moved against the real one. */
  clock_ms: number;
  /** Which server it is, see Servers. */
  server: number;
}

export interface Committed<T> {
  stored: readonly T[];
  rejected: readonly Rejected<T>[];
}

/** An event that is stored in a place of its batch, from 1. */
type Fresh = Arrival & { batch: string; ordinal: number };

const KNOWN_EVENTS = `SELECT e.session_id, e.event_id::text AS event_id, e.provenance
  FROM unnest($1::text[], $2::uuid[]) AS x (session_id, event_id)
  JOIN events AS e ON e.session_id = x.session_id AND e.event_id = x.event_id`;

/** What this host says was removed, and no client. */
const REDACTIONS = `SELECT e.payload FROM events AS e
  JOIN batches AS b ON b.batch = e.batch
  WHERE e.session_id = ANY($1::text[]) AND e.kind = 'redaction'
    AND e.provenance IS NULL
  ORDER BY b.arrival, e.ordinal`;

const INSERT = `INSERT INTO events
    (session_id, event_id, batch, ordinal, kind, timestamp, provenance, payload)
  SELECT x.session_id, x.event_id, $1::bigint, x.ordinal, x.kind, x.timestamp,
    x.provenance, x.payload
  FROM unnest($2::text[], $3::uuid[], $4::integer[], $5::text[],
      $6::timestamptz[], $7::text[], $8::text[])
    AS x (session_id, event_id, ordinal, kind, timestamp, provenance, payload)
  ORDER BY x.session_id, x.event_id`;

const ADD_BATCH = `INSERT INTO batches (batch, events, first_at, last_at)
  SELECT $1::bigint, count(*)::integer, min(t), max(t)
  FROM unnest($2::timestamptz[]) AS t`;

const DELETE = `DELETE FROM events AS e
  USING unnest($1::text[], $2::uuid[]) AS x (session_id, event_id)
  WHERE e.session_id = x.session_id AND e.event_id = x.event_id`;

const COUNT_LATE = `UPDATE sessions AS s SET late_events = s.late_events + x.events
  FROM unnest($1::text[], $2::integer[]) AS x (session_id, events)
  WHERE s.session_id = x.session_id`;

/** One that was seen after its end is looked at when the end is stored. */
const FORGET_SIGNS = `DELETE FROM signs AS g
  USING unnest($1::text[], $2::timestamptz[]) AS x (session_id, until)
  WHERE g.session_id = x.session_id
    AND (x.until IS NULL OR g.last_sign <= x.until)`;

/** A batch over all tries. */
export interface Batch<T extends Arrival> {
  /** The last try that came to its COMMIT, which may have been done. */
  tried: { number: string; outcome: Committed<T> } | null;
}

/** A role whose commits are not waited for would have us acknowledge what a crash loses. */
const WAITS = `CASE current_setting('synchronous_commit') WHEN 'off'
    THEN set_config('synchronous_commit', 'on', true) END`;
const NUMBER = `SELECT nextval('batch_numbers')::text AS number, ${WAITS}`;
/**
 * A number that was drawn and not committed may be drawn again once the database has
 * crashed, or by a standby that was promoted: it tells only together with an event.
 */
const IS_COMMITTED = `SELECT 1 FROM events WHERE session_id = $1::text
  AND event_id = $2::text::uuid AND batch = $3::bigint`;

/**
 * @param known the rows of all its sessions, where they are read already
 * @throws Stale, or the driver's error: all of it is rolled back then
 */
export async function commitBatch<T extends Arrival>(
  tx: Connection,
  batch: Batch<T>,
  items: readonly T[],
  rules: Rules,
  known?: ReadonlyMap<string, Known>,
): Promise<Committed<T>> {
  const ids = [...new Set(items.map(({ event }) => event.session_id))].sort();
  const [rows, numbers, events, done, redactions] = await Promise.all([
    known ?? readKnown(tx, ids, rules.locks),
    tx.ask<{ number: string }>(NUMBER),
    knownEvents(tx, items),
    // Last: of what an earlier try has stored nothing is taken for another's.
    isCommitted(tx, batch),
    tx.ask<{ payload: string }>(REDACTIONS, [arrayOf(ids)]),
  ]);
  // What came after the rows were locked is not.
  const are_locked = rules.locks && ids.every((id) => rows.has(id));
  if (done) {
    if (!are_locked) await settle(tx, ids);
    return batch.tried!.outcome;
  }
  const { number } = numbers[0]!;
  const removals = new Removals();
  for (const { payload } of redactions)
    removals.add(JSON.parse(payload) as Redaction);
  const kept = await withoutArchived(tx, items, rows, events);
  const { fresh, rejected, replaced } = admit(
    removals.applied(kept),
    events,
    (id) => rows.get(id)?.owner ?? null,
  );
  if (fresh.length > 0) await store(tx, number, fresh, replaced, rows, rules);
  else if (!are_locked) await settle(tx, ids);
  const outcome = { stored: fresh, rejected };
  batch.tried = { number, outcome };
  return outcome;
}

/**
 * Has the COMMIT that follows say that what is stored of some sessions is stored for good.
 * A database that was restarted shows what it had written and its standby had not
 * confirmed; only a transaction that writes waits for the standby, and a lock is written.
 */
export async function settle(
  tx: Connection,
  session_ids: Iterable<string>,
): Promise<void> {
  await Promise.all([
    tx.ask(`SELECT ${WAITS}`),
    readKnown(tx, session_ids, true),
  ]);
}

/** Whether its last try was done after all. */
export async function isCommitted<T extends Arrival>(
  tx: Connection,
  { tried }: Batch<T>,
): Promise<boolean> {
  const first = tried?.outcome.stored[0]?.event;
  if (!first) return false;
  const { session_id, event_id } = first;
  const values = [session_id, event_id, tried!.number];
  return (await tx.ask(IS_COMMITTED, values)).length > 0;
}

async function knownEvents(
  tx: Connection,
  items: readonly Arrival[],
): Promise<Map<string, Stored>> {
  const rows = await tx.ask<
    Pick<Stored, "session_id" | "event_id"> & { provenance: string | null }
  >(KNOWN_EVENTS, [
    arrayOf(items.map(({ event }) => event.session_id)),
    arrayOf(items.map(({ event }) => event.event_id)),
  ]);
  const read = provenances();
  return new Map(
    rows.map(({ provenance, ...key }) => [
      keyOf(key),
      { ...key, from: read(provenance) },
    ]),
  );
}

/** The events whose session is in no archive; those of others are counted there. */
async function withoutArchived<T extends Arrival>(
  tx: Connection,
  items: readonly T[],
  known: ReadonlyMap<string, Known>,
  events: ReadonlyMap<string, Stored>,
): Promise<readonly T[]> {
  const isLate = ({ event }: T) => known.get(event.session_id)?.archived;
  const late = new Map<string, Event>();
  for (const item of items) {
    const key = keyOf(item.event);
    if (isLate(item) && !events.has(key)) late.set(key, item.event);
  }
  if (late.size === 0) return items.filter((item) => !isLate(item));
  const counts = new Map<string, number>();
  for (const { session_id } of late.values())
    counts.set(session_id, (counts.get(session_id) ?? 0) + 1);
  await tx.ask(COUNT_LATE, [
    arrayOf([...counts.keys()]),
    arrayOf([...counts.values()]),
  ]);
  return items.filter((item) => !isLate(item));
}

async function store<T extends Arrival>(
  tx: Connection,
  batch: string,
  items: readonly T[],
  replaced: readonly Stored[],
  known: ReadonlyMap<string, Known>,
  rules: Rules,
): Promise<void> {
  if (replaced.length > 0) {
    await deleteTold(tx, replaced);
    await tx.ask(DELETE, [
      arrayOf(replaced.map(({ session_id }) => session_id)),
      arrayOf(replaced.map(({ event_id }) => event_id)),
    ]);
  }
  const fresh = items.map((item, i) => ({ ...item, batch, ordinal: i + 1 }));
  const { changed, anew } = folded(fresh, replaced, known);
  // All of it is sent at once, and nothing after what has failed.
  const added = [
    tx.ask(ADD_BATCH, [batch, arrayOf(fresh.map((i) => i.event.timestamp))]),
    insertEvents(tx, fresh),
  ];
  if (anew.size > 0) {
    await Promise.all(added);
    for (const [id, state] of await foldAnew(tx, anew)) {
      const of = changed.get(id)!;
      // One that got another reporter lives on with that one's signs.
      if (known.get(id)?.state) of.alive = true;
      Object.assign(of, { state, said_gone: false });
    }
  }
  const rows = [...changed.values()];
  await Promise.all([
    ...added,
    writeRows(tx, rows, rules),
    forgetSigns(tx, rows, anew, known),
  ]);
  await insertTold(tx, fresh);
}

/** The sessions with their events folded in, and those that have to be folded anew. */
function folded(
  fresh: readonly Fresh[],
  replaced: readonly Stored[],
  known: ReadonlyMap<string, Known>,
) {
  const changed = new Map<string, Changed>();
  const anew = new Set(replaced.map(({ session_id }) => session_id));
  for (const { event, from } of fresh) {
    const { session_id } = event;
    let of = changed.get(session_id);
    if (!of) {
      const row = known.get(session_id);
      const state = row?.state ? parseState(row.state) : emptyState(session_id);
      // A closed one has no registers.
      if (row && row.state === null) anew.add(session_id);
      const version = row?.version ?? 0;
      of = { state, version, alive: false, said_gone: false };
      changed.set(session_id, of);
    }
    const { state } = of;
    if (changesReporter(state, event, from)) anew.add(session_id);
    const end = state.end?.event_id;
    if (apply(state, event, from))
      Object.assign(of, { alive: true, said_gone: false });
    else if (state.end?.event_id !== end) of.said_gone = true;
  }
  return { changed, anew };
}

async function insertEvents(
  tx: Connection,
  items: readonly Fresh[],
): Promise<void> {
  const list = (value: (item: Fresh) => string | number | null) =>
    arrayOf(items.map(value));
  await tx.ask(INSERT, [
    items[0]!.batch,
    list(({ event }) => event.session_id),
    list(({ event }) => event.event_id),
    list(({ ordinal }) => ordinal),
    list(({ event }) => encoded(event.event_type)),
    list(({ event }) => event.timestamp),
    list(({ provenance }) => provenance),
    list(({ payload }) => payload),
  ]);
}

/** Of sessions that have ended, and of those whose signs another reporter sent. */
async function forgetSigns(
  tx: Connection,
  rows: readonly Changed[],
  anew: ReadonlySet<string>,
  known: ReadonlyMap<string, Known>,
): Promise<void> {
  const ids: string[] = [];
  const until: (string | null)[] = [];
  for (const { state } of rows) {
    const { session_id } = state;
    const was_open = known.get(session_id)?.state;
    if (!was_open) continue;
    if (anew.has(session_id)) until.push(null);
    else if (isClosed(state)) until.push(state.end!.timestamp);
    else continue;
    ids.push(session_id);
  }
  if (ids.length > 0)
    await tx.ask(FORGET_SIGNS, [arrayOf(ids), arrayOf(until)]);
}
