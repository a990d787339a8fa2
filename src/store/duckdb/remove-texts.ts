/**
 * Removes texts from the rows of events and of their session. The `redaction` event
 * comes first, so that none of them is stored anew meanwhile. The bytes are gone
 * once the file is written anew, which is its caller's.
 */
import { isoTime } from "../../model/clock.ts";
import type { Event, Redaction } from "../../model/event.ts";
import type { Removed } from "../../model/maintenance.ts";
import {
  type RemovalRequest,
  covers,
  recordingRemoval,
  redactionOf,
  withoutTexts,
} from "../../model/redaction/removal.ts";
import { removesRecording } from "../../model/recording/promise.ts";
import type { Database } from "./database.ts";
import type { EventColumns } from "./event-columns.ts";
import type { Folds } from "./folds.ts";
import type { FileOutputLines } from "./output.ts";
import type { Removals } from "../removals.ts";
import { SQL } from "./statements.ts";

/** Rows that one statement changes. */
const SLICE = 4_096;

export interface Keeper {
  db: Database;
  folds: Folds;
  columns: EventColumns;
  removals: Removals;
  output: FileOutputLines;
  /** Stores an event of the store itself. */
  append(events: readonly Event[]): Promise<unknown>;
}

interface Found {
  /** Events with texts; the redactions that there are hold for these already. */
  changed: ChangedRow[];
  covered: boolean;
  /** Events of the request that are stored. */
  events: number;
  last: string;
}
interface ChangedRow {
  /** A BIGINT, as text. */
  seq: string;
  payload: string;
}

/** @returns null when no such event is stored */
export async function removeTexts(
  keeper: Keeper,
  { event_ids, ...request }: RemovalRequest,
): Promise<Removed | null> {
  const all: Removed[] = [];
  for (const of of event_ids ?? [null]) {
    const removed = await removeOf(keeper, request, of);
    if (removed) all.push(removed);
  }
  const said = request.recording && (await sayRecording(keeper, request));
  if (all.length === 0 && !said) return null;
  const events = all.reduce((sum, removed) => sum + removed.events, 0);
  const up_to = all[0]?.up_to ?? null;
  return { events, up_to, ...(said && { recording: true }) };
}

/**
 * That its recording went, so that none is taken from its host any more.
 * @returns false when nothing of the session is stored
 */
async function sayRecording(
  { db, removals, output, append }: Keeper,
  request: Request,
): Promise<boolean> {
  const { session_id } = request;
  await output.remove([session_id]);
  if (removals.in(session_id).some(removesRecording)) return true;
  const all = recordingRemoval(request, isoTime(Date.now()));
  const { events } = await db.inTurn(() => find(db, all, []));
  if (events === 0) return false;
  removals.add(all);
  await append([all]);
  return true;
}

type Request = Omit<RemovalRequest, "event_ids">;

/** @param of an event; null: all of the session */
async function removeOf(
  { db, folds, columns, removals, output, append }: Keeper,
  request: Request,
  of: string | null,
): Promise<Removed | null> {
  const { session_id } = request;
  const known = removals.in(session_id);
  const now = isoTime(Date.now());
  const planned = redactionOf(request, of, now, "9999");
  const before = await db.inTurn(() => find(db, planned, known));
  if (before.events === 0) return null;
  // Of several of a session the last one reaches furthest.
  let redaction = known.findLast(
    ({ of, recording }) => of === planned.of && !recording,
  );
  if (!redaction || !before.covered) {
    const up_to = before.last > now ? before.last : now;
    redaction = redactionOf(request, of, now, up_to);
    removals.add(redaction);
    await append([redaction]);
  }
  const removed_by = redaction;
  await db.inTurn(async () => {
    const { changed } = await find(db, removed_by, known);
    await db.transaction(async () => {
      for (let at = 0; at < changed.length; at += SLICE)
        await db.run(SQL.setPayloads, [
          changed
            .slice(at, at + SLICE)
            .map((row) => JSON.stringify(row))
            .join("\n"),
          session_id,
        ]);
      await columns.writeAnew(session_id);
      // Where in them a text stands that was typed nobody can tell.
      await output.delete([session_id]);
    });
    await folds.rewrite(session_id);
  });
  return { events: before.changed.length, up_to: redaction.up_to ?? null };
}

/** Reads the events of a request, never all in memory; in the writer's turn. */
async function find(
  db: Database,
  redaction: Redaction,
  known: readonly Redaction[],
): Promise<Found> {
  const found: Found = { changed: [], covered: true, events: 0, last: "" };
  const { session_id, of } = redaction;
  const rows = db.chunks<ChangedRow>(SQL.payloadsOf, [session_id]);
  for await (const chunk of rows)
    for (const { seq, payload } of chunk) {
      const event = JSON.parse(payload) as Event;
      if (!isSought(event, of)) continue;
      found.events++;
      if (event.timestamp > found.last) found.last = event.timestamp;
      const bare = withoutTexts(event, redaction);
      if (bare === event) continue;
      found.changed.push({ seq, payload: JSON.stringify(bare) });
      found.covered &&= known.some((one) => covers(one, event));
    }
  return found;
}

const isSought = ({ event_id, event_type }: Event, of: string | undefined) =>
  of === undefined ? event_type !== "redaction" : event_id === of;
