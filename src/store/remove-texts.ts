/**
 * Removes texts from stored events and from their session. The `redaction` event comes
 * first, so that none of them is stored anew meanwhile. When their bytes are gone from
 * the disk is its caller's care.
 */
import { isoTime } from "../model/clock.ts";
import type { Event, Redaction } from "../model/event.ts";
import type { Removed } from "../model/maintenance.ts";
import {
  type RemovalRequest,
  covers,
  recordingRemoval,
  redactionOf,
  withoutTexts,
} from "../model/redaction/removal.ts";
import { removesRecording } from "../model/recording/promise.ts";

/** Where the events of sessions are stored, and what is made of them. */
export interface StoredTexts {
  /** What was removed before, in the order of arrival. */
  removals(session_id: string): Promise<readonly Redaction[]>;
  /** Gives all events, never all of them in memory. */
  each(session_id: string, use: (event: Event) => void): Promise<void>;
  /**
   * Replaces events, and makes anew what is made of them.
   * @param by gives the same event for one that stays
   */
  replace(session_id: string, by: (event: Event) => Event): Promise<void>;
  /** Stores what says of a removal, and has it hold for what comes later. */
  say(redaction: Redaction): Promise<void>;
  /** Removes what its terminal showed. */
  removeOutput(session_id: string): Promise<void>;
}

interface Found {
  /** Events with texts; the redactions that there are hold for these already. */
  changed: number;
  covered: boolean;
  /** Events of the request that are stored. */
  events: number;
  last: string;
}

/** @returns null when no such event is stored */
export async function removeTexts(
  texts: StoredTexts,
  { event_ids, ...request }: RemovalRequest,
): Promise<Removed | null> {
  const all: Removed[] = [];
  for (const of of event_ids ?? [null]) {
    const removed = await removeOf(texts, request, of);
    if (removed) all.push(removed);
  }
  const said = request.recording && (await sayRecording(texts, request));
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
  texts: StoredTexts,
  request: Request,
): Promise<boolean> {
  const { session_id } = request;
  await texts.removeOutput(session_id);
  const known = await texts.removals(session_id);
  if (known.some(removesRecording)) return true;
  const all = recordingRemoval(request, isoTime(Date.now()));
  const { events } = await find(texts, all, []);
  if (events === 0) return false;
  await texts.say(all);
  return true;
}

type Request = Omit<RemovalRequest, "event_ids">;

/** @param of an event; null: all of the session */
async function removeOf(
  texts: StoredTexts,
  request: Request,
  of: string | null,
): Promise<Removed | null> {
  const { session_id } = request;
  const known = await texts.removals(session_id);
  const now = isoTime(Date.now());
  const planned = redactionOf(request, of, now, "9999");
  const before = await find(texts, planned, known);
  if (before.events === 0) return null;
  // Of several of a session the last one reaches furthest.
  let redaction = known.findLast(
    ({ of, recording }) => of === planned.of && !recording,
  );
  if (!redaction || !before.covered) {
    const up_to = before.last > now ? before.last : now;
    redaction = redactionOf(request, of, now, up_to);
    await texts.say(redaction);
  }
  const removed_by = redaction;
  await texts.replace(session_id, (event) =>
    isSought(event, removed_by.of) ? withoutTexts(event, removed_by) : event,
  );
  return { events: before.changed, up_to: redaction.up_to ?? null };
}

async function find(
  texts: StoredTexts,
  redaction: Redaction,
  known: readonly Redaction[],
): Promise<Found> {
  const found: Found = { changed: 0, covered: true, events: 0, last: "" };
  await texts.each(redaction.session_id, (event) => {
    if (!isSought(event, redaction.of)) return;
    found.events++;
    if (event.timestamp > found.last) found.last = event.timestamp;
    if (withoutTexts(event, redaction) === event) return;
    found.changed++;
    found.covered &&= known.some((one) => covers(one, event));
  });
  return found;
}

const isSought = ({ event_id, event_type }: Event, of: string | undefined) =>
  of === undefined ? event_type !== "redaction" : event_id === of;
