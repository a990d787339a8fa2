/** What a database holds, as it is moved to another one and compared with it. */
import type { SessionRow } from "./session.ts";
import type { StoredEvent } from "./stored-event.ts";

export interface Holding {
  events: number;
  /** Of its files or tables. */
  bytes: number;
}

/** Sessions by their ids, in the order of their bytes; null: from the first, to the last. */
export interface IdRange {
  /** Not of them. */
  after: string | null;
  /** The last of them. */
  upto: string | null;
}

/** A session with all that is stored of it. */
export interface WholeSession {
  session_id: string;
  /** null while no start of it has arrived. */
  row: SessionRow | null;
  /** In the order of arrival. */
  events: readonly StoredEvent[];
}

/** What is left of an archived session. */
export interface Tombstone {
  session_id: string;
  /** UTC, ISO 8601. */
  archived_at: string;
  folder: string;
  late_events: number;
}

/** Ranges one after the other, to the last session. @param lasts of all but the last */
export function rangesUpTo(lasts: readonly string[]): IdRange[] {
  const bounds = [null, ...lasts, null];
  return bounds.slice(1).map((upto, n) => ({ after: bounds[n]!, upto }));
}

/** All of a database that nothing else writes to meanwhile. */
export interface Contents {
  /** @throws Failure (already_running) while others use the database, too */
  requireAlone(): Promise<void>;
  holding(): Promise<Holding>;
  /**
   * Parts the sessions that have events, in order and without a gap.
   * @param events about as many has each range
   */
  ranges(events: number): Promise<IdRange[]>;
  /** Sessions that have events, in order. @param those of a range, or by their ids */
  wholes(those: IdRange | readonly string[]): Promise<WholeSession[]>;
  /** A page of them, by id. @param after null: the first */
  tombstones(after: string | null): Promise<Tombstone[]>;
  /** Those of sessions that are not here; each once. */
  bringTombstones(tombstones: readonly Tombstone[]): Promise<void>;
  /**
   * How far events of a source were moved here.
   * @param source identifies that database
   */
  movedFrom(source: string): Promise<Mark>;
  setMovedFrom(source: string, mark: Mark): Promise<void>;
  /** All was moved: a file, which is whole now, forgets how far it was. */
  endMoving(): Promise<void>;
}

/** How far a move has come; zeros when it has not begun. */
export interface Mark {
  /** The number that the last event has at the source. */
  seq: number;
  /** How many that are. */
  events: number;
}
