/**
 * What must hold of a database that several servers share, beside what holds of each
 * (../check.ts): every host is told the same, the tail is whole, and who lived all the
 * time was never taken for lost.
 */
import type { SQL } from "bun";
import type { KnownEvent } from "../../../src/model/event.ts";
import type { Actors } from "../actors.ts";
import {
  byId,
  checkEnds,
  checkEvents,
  checkFolds,
  checkSpool,
  listed,
} from "../check.ts";
import type { SessionJson } from "../../support/sandbox.ts";
import type { StoredRow } from "../world.ts";
import type { Host } from "./host.ts";
import type { Tail } from "./tail.ts";

export async function checkShared(
  hosts: readonly Host[],
  actors: readonly Actors[],
  tail: Tail,
  sql: SQL,
): Promise<void> {
  const [first] = hosts as [Host];
  const sessions = await listed(first);
  for (const host of hosts.slice(1)) {
    const told = await listed(host);
    const other = told.find(
      (one, i) => !Bun.deepEquals(lasting(one), lasting(sessions[i]!)),
    );
    if (other || told.length !== sessions.length)
      first.blame(
        `${host.sandbox.home} is told of ${told.length} sessions and not of ${sessions.length}, ${JSON.stringify(other)} where others are told ${JSON.stringify(byId(sessions).get(other?.session_id ?? ""))}`,
      );
  }
  const rows = await first.stored();
  first.count("events", rows.length);
  first.count("sessions", sessions.length);
  checkEvents(first, rows);
  checkFolds(first, rows, sessions);
  excuseSilent(first, rows);
  const ended = actors.flatMap((one) => one.ended);
  checkEnds(first, { ended }, rows, byId(sessions));
  for (const host of hosts) checkSpool(host);
  checkTail(first, tail, rows);
  checkLives(first, rows);
  await checkTables(first, rows, sql);
}

/** But what goes on while a session does. */
const lasting = ({ duration_seconds, last_seen, ...rest }: SessionJson) =>
  rest.status === "active" ? rest : { ...rest, duration_seconds, last_seen };

/** Who followed along has seen the same as who reads it from the beginning. */
function checkTail(
  world: Host,
  { seen }: Tail,
  rows: readonly StoredRow[],
): void {
  if (seen.size !== rows.length)
    world.blame(`who followed has ${seen.size} events of ${rows.length}`);
  for (const [seq, { event_id }] of seen)
    if (rows[seq - 1]?.event_id !== event_id)
      world.blame(`${seq} of the tail was ${event_id} when it was read`);
}

/**
 * While this process stood still it has sent no heartbeats: what is not heard of for its
 * lease may be lost. One that was sent in half of that has time to arrive.
 */
function excuseSilent(world: Host, rows: readonly StoredRow[]): void {
  const { lease_ms } = world;
  for (const { session_id, payload } of rows) {
    const told = world.told.get(session_id);
    const event = JSON.parse(payload) as KnownEvent;
    if (!told?.beats || event.event_type !== "session_end") continue;
    // A lost one ends at its last sign of life.
    const last_ms = Date.parse(event.timestamp);
    const isBeaten = told.beats.some(
      (ms) => ms > last_ms && ms <= last_ms + lease_ms / 2,
    );
    if (!isBeaten && Date.now() > last_ms + lease_ms) told.ending = true;
  }
}

/** Heartbeats came all the time: nobody ever ended these but who said so. */
function checkLives(world: Host, rows: readonly StoredRow[]): void {
  for (const { session_id, payload } of rows) {
    const event = JSON.parse(payload) as KnownEvent;
    if (event.event_type !== "session_end" || event.end_source !== "recovered")
      continue;
    if (world.told.get(session_id)?.ending === false)
      world.blame(`${session_id} was taken for lost, and lives`);
  }
}

/** By the database itself. */
async function checkTables(
  world: Host,
  rows: readonly StoredRow[],
  sql: SQL,
): Promise<void> {
  const [counted] = await sql`
    SELECT count(*)::integer AS events, count(DISTINCT event_id)::integer AS ids,
      (SELECT count(*)::integer FROM batches WHERE seq IS NULL) AS unnumbered
    FROM events`;
  const wanted = { events: rows.length, ids: rows.length, unnumbered: 0 };
  if (!Bun.deepEquals({ ...counted }, wanted))
    world.blame(
      `the tables have ${JSON.stringify(counted)}, the tail ${JSON.stringify(wanted)}`,
    );
}
