/**
 * Ends sessions from the wire that are lost, at their last sign of life: by the clock of
 * the database, by the one server that has the duty. A process is looked for only by a
 * server that runs where it does.
 */
import { isoTime } from "../../model/clock.ts";
import { type Event, type SessionEnd, lostEnd } from "../../model/event.ts";
import { parseState } from "../../model/state.ts";
import { liveness } from "../../os/liveness.ts";
import { bootId } from "../../os/proc.ts";
import { processOf } from "../leases.ts";
import type { Connection } from "./connect.ts";
import { type Duties, TERM_MS } from "./duties.ts";
import { UNLEASED, databaseTime } from "./rows.ts";
import type { Servers } from "./servers.ts";
import type { Signs } from "./signs.ts";
import { encoded, timeOf } from "./text.ts";

/** Processes to look for at once: each reads some files of /proc. */
const MAX_LOOKS = 128;
/** Sessions that are ended at once; the others are a second later. */
const MAX_ENDS = 4_096;

/** See Duties. */
export const LAPSE = "lapse";

/**
 * When something of a session came, by our clock. What came a moment after `now` came
 * now: whoever looks may have taken its time before. More is a clock that was set back.
 */
const HEARD = `CASE
  WHEN greatest(s.heard_at, g.heard_at) > c.now + interval '1 minute'
  THEN $2::text::timestamptz ELSE greatest(s.heard_at, g.heard_at) END`;
const SIGN = "greatest(s.last_seen, g.last_sign)";
/** A sign from the future says nothing of when it was made. */
const LAST = `greatest(${HEARD},
  CASE WHEN ${SIGN} <= c.now THEN ${SIGN} END)`;

/** How long one waits for its server that is away: then it had time to go to another. */
const GRACE = "interval '10 minutes'";
/** The server that has heard of it last. */
const HEARER = `CASE WHEN s.heard_at > g.heard_at THEN s.heard_by
  ELSE coalesce(g.heard_by, s.heard_by) END`;
const IS_THERE = `v.seen_at >= c.now
  - interval '${TERM_MS} milliseconds'`;
/** A lease runs while signs can come: since nobody looked, or its server was away. */
const FROM = `greatest(${LAST}, $2::text::timestamptz,
  CASE WHEN ${IS_THERE} THEN v.since END)`;

/**
 * $1: how far the clock is moved; $2: since when leases are looked at without a break;
 * $3: how long one without heartbeats may be silent. One that its own host calls gone,
 * by a clock that may differ, is gone unless it was heard of since. Its own clock is read
 * after all that it sees was written: by an earlier time what came just now would be of
 * times to come.
 */
const LOST = `WITH clock AS MATERIALIZED (SELECT ${databaseTime("$1")} AS now)
  SELECT s.session_id, ${SIGN} AS sign
  FROM sessions AS s LEFT JOIN signs AS g ON g.session_id = s.session_id
    LEFT JOIN servers AS v ON v.id = ${HEARER}, clock AS c
  WHERE s.lease_seconds IS NOT NULL AND (
    s.said_gone_at >= greatest(s.heard_at, g.heard_at)
    OR CASE WHEN s.lease_seconds = ${UNLEASED}
      THEN ${LAST} + $3::float8 * interval '1 millisecond'
      ELSE greatest(${FROM} + s.lease_seconds * interval '1 second',
        CASE WHEN NOT ${IS_THERE} THEN v.seen_at + ${GRACE} END)
      END < c.now)
  ORDER BY s.session_id LIMIT ${MAX_ENDS}`;

const PROCESSES = `SELECT s.session_id, s.state, ${SIGN} AS sign
  FROM sessions AS s LEFT JOIN signs AS g ON g.session_id = s.session_id
  WHERE left(s.boot_id, 256) = left($1::text, 256) AND s.boot_id = $1::text AND s.session_id > $2::text
  ORDER BY s.session_id LIMIT $3::bigint`;

/**
 * Looks that take longer, one as the one before, are each followed by a rest: of a
 * hundred thousand that live it is half a second of the database's work.
 */
const SHORT_MS = 50;
const REST = 20;
/** They may have waited for others, or for the database to come back. */
const MAX_REST_MS = 30_000;

export class Lapse {
  /**
   * When the last look for leases was, and until when none is, by the caller's clock;
   * and how long it took.
   */
  private last = { at_ms: -Infinity, until_ms: -Infinity, took_ms: 0 };
  /** The process that was looked for last. */
  private looked = "";
  /** One look after the other, for each counts on the last one's time. */
  private looking: Promise<unknown> = Promise.resolve();

  /**
   * @param ask runs a statement that may be run again
   * @param append stores events of the store itself
   */
  constructor(
    private readonly ask: Connection["ask"],
    private readonly servers: Servers,
    private readonly duties: Duties,
    private readonly signs: Signs,
    private readonly append: (
      events: readonly Event[],
    ) => Promise<ReadonlySet<string>>,
  ) {}

  /**
   * @param now_ms by the caller's clock; the database's is moved by as much as it is
   * @param unleased_timeout_ms how long one without heartbeats may be silent
   * @param looks how many processes may be looked for
   * @returns how many were ended
   */
  expire(
    now_ms: number,
    unleased_timeout_ms: number,
    looks: number = MAX_LOOKS,
  ): Promise<number> {
    const clock_ms = now_ms - Date.now();
    const look = async () => {
      const gone = await this.lookForProcesses(now_ms, looks);
      return this.end(gone, { now_ms, clock_ms }, unleased_timeout_ms);
    };
    const looked = this.looking.then(look);
    this.looking = looked.catch(() => {});
    return looked;
  }

  /** @param gone the ends of those whose processes are gone */
  private async end(
    gone: readonly SessionEnd[],
    { now_ms, clock_ms }: { now_ms: number; clock_ms: number },
    unleased_timeout_ms: number,
  ): Promise<number> {
    const ends = [...gone];
    await this.servers.seen(clock_ms);
    const held = await this.duties.take(LAPSE, clock_ms);
    if (held && !this.rests(now_ms)) {
      const asked_ms = performance.now();
      const rows = await this.ask<{ session_id: string; sign: Date }>(LOST, [
        clock_ms,
        held.since,
        unleased_timeout_ms,
      ]);
      const took_ms = performance.now() - asked_ms;
      // There are more, and they are to be ended a second later.
      const rest_ms = rows.length < MAX_ENDS ? this.restAfter(took_ms) : 0;
      this.last = { at_ms: now_ms, until_ms: now_ms + rest_ms, took_ms };
      for (const { session_id, sign } of rows)
        ends.push(lostEnd(session_id, timeOf(sign)));
    }
    if (ends.length === 0) return 0;
    const stored = await this.append(ends);
    await this.signs.reopenSeen(
      new Map(ends.map(({ session_id, timestamp }) => [session_id, timestamp])),
    );
    return stored.size;
  }

  private restAfter(took_ms: number): number {
    const over_ms = Math.min(took_ms, this.last.took_ms) - SHORT_MS;
    return Math.min(REST * Math.max(0, over_ms), MAX_REST_MS);
  }

  /** A clock that was set back ends the rest. */
  private rests(now_ms: number): boolean {
    return now_ms >= this.last.at_ms && now_ms < this.last.until_ms;
  }

  /** @returns the ends of those that are gone */
  private async lookForProcesses(
    now_ms: number,
    looks: number,
  ): Promise<SessionEnd[]> {
    const boot_id = bootId();
    if (boot_id === null) return [];
    const rows = await this.ask<{
      session_id: string;
      state: string;
      sign: Date;
    }>(PROCESSES, [
      encoded(boot_id),
      this.looked,
      Number.isFinite(looks) ? looks : null,
    ]);
    this.looked = rows.length < looks ? "" : rows.at(-1)!.session_id;
    const ends: SessionEnd[] = [];
    const alive: string[] = [];
    for (const { session_id, state, sign } of rows) {
      const process = processOf(parseState(state));
      const found = process && liveness(process);
      if (found === "alive") alive.push(session_id);
      else if (found === "gone") ends.push(lostEnd(session_id, timeOf(sign)));
    }
    if (alive.length > 0) await this.signs.alive(alive, isoTime(now_ms));
    return ends;
  }
}
