/**
 * Signs of life that are no events: when sessions were last seen, in a table of its own
 * that need not be durable at once. Those that come while others are written are
 * written together.
 */
import { isoTime } from "../../model/clock.ts";
import type { Event } from "../../model/event.ts";
import {
  type Provenance,
  SPOOL,
  mayReport,
  reporterOf,
} from "../../model/reporter.ts";
import { signOfLife } from "../leases.ts";
import type { Connection } from "./connect.ts";
import { UNWAITED, databaseTime } from "./rows.ts";
import type { Servers } from "./servers.ts";
import { arrayOf, encoded, timeOf } from "./text.ts";

/** Signs that one statement writes. */
const SLICE = 8_192;

const LATER = `x.lease_seconds IS NOT NULL OR old.last_sign IS NULL
  OR old.last_sign < x.sign`;

/**
 * $1: how far the clock is moved; then the signs, each with who brought it and whether
 * that one may report of any session. Of a session that is not known yet no sign counts
 * of others than these. What has ended is looked at afterwards.
 */
const WRITE = `WITH known AS MATERIALIZED (
    SELECT x.session_id, x.sign, x.reporter, s.end_source, s.lease_seconds,
      x.free OR o.owner = x.reporter AS own, o.owner
    FROM unnest($2::text[], $3::timestamptz[], $4::text[], $5::boolean[])
      AS x (session_id, sign, reporter, free)
    JOIN sessions AS s ON s.session_id = x.session_id,
    LATERAL (SELECT coalesce(s.reporter, CASE WHEN s.start_time IS NOT NULL
      AND s.end_source IN ('observed', 'declared') THEN '' END) AS owner) AS o
  ), written AS (
    INSERT INTO signs AS g (session_id, last_sign, heard_at, heard_by)
    SELECT x.session_id, max(x.sign), c.now, $6::integer
    FROM known AS x LEFT JOIN signs AS old ON old.session_id = x.session_id,
      (SELECT ${databaseTime("$1")} AS now, ${UNWAITED}) AS c
    WHERE x.own AND x.end_source IS NULL AND (${LATER})
    GROUP BY x.session_id, c.now ORDER BY x.session_id
    ON CONFLICT (session_id) DO UPDATE SET
      heard_at = excluded.heard_at, heard_by = excluded.heard_by,
      last_sign = greatest(g.last_sign, excluded.last_sign))
  SELECT session_id, reporter FROM known WHERE NOT own AND owner IS NOT NULL`;

/** After the signs were written: whoever ends a session looks at these once it has. */
const LOST = `SELECT session_id, end_time FROM sessions
  WHERE session_id = ANY($1::text[]) AND end_source = 'recovered'`;

const RECEIPTS = `SELECT e.session_id, max(b.received_at) AS received_at
  FROM events AS e JOIN batches AS b ON b.batch = e.batch
  WHERE e.session_id = ANY($1::text[]) AND e.kind = 'session_end'
  GROUP BY e.session_id`;

const SEEN_SINCE = `SELECT g.session_id, g.last_sign
  FROM unnest($1::text[], $2::timestamptz[]) AS x (session_id, until)
  JOIN signs AS g ON g.session_id = x.session_id AND g.last_sign > x.until`;

type Lost = ReadonlyMap<string, string>;

interface Sign {
  session_id: string;
  sign: string;
  reporter: string | null;
  free: boolean;
}

interface Written {
  /** Session and reporter, of signs that were not another's to send. */
  others: ReadonlySet<string>;
  /** The ends of those that are lost. */
  lost: Lost;
}

export class Signs {
  private waiting: Sign[] = [];
  private next: Promise<Written> | null = null;
  private running: Promise<unknown> = Promise.resolve();

  /**
   * @param ask runs a statement that may be run again
   * @param append stores events of the store itself
   * @param servers which server this is
   * @param clock_ms how far the caller's clock is moved
   */
  constructor(
    private readonly ask: Connection["ask"],
    private readonly append: (events: readonly Event[]) => Promise<unknown>,
    private readonly servers: Servers,
    private readonly clock_ms: () => number,
  ) {}

  /**
   * @param theirs the same signs by the clock of their host, if it is not ours
   * @returns the sessions that belong to another reporter, which were not moved
   */
  async seen(
    signs: ReadonlyMap<string, string>,
    from: Provenance,
    theirs: ReadonlyMap<string, string>,
  ): Promise<ReadonlySet<string>> {
    const reporter = reporterOf(from);
    const free = mayReport("", from);
    const ids = [...signs.keys()];
    const others = new Set<string>();
    const all = ids.map((session_id) => {
      const sign = signs.get(session_id)!;
      return { session_id, sign, reporter, free };
    });
    for (let at = 0; at < all.length; at += SLICE) {
      const slice = all.slice(at, at + SLICE);
      const written = await this.write(slice);
      const lost = new Map<string, string>();
      for (const sign of slice) {
        const { session_id } = sign;
        const end = written.lost.get(session_id);
        if (written.others.has(keyOf(sign))) others.add(session_id);
        else if (end !== undefined) lost.set(session_id, end);
      }
      await this.reopen(signs, theirs, lost);
    }
    return others;
  }

  /** Takes note that processes were found alive. */
  async alive(ids: readonly string[], now: string): Promise<void> {
    const signs = new Map(ids.map((id) => [id, now]));
    await this.seen(signs, SPOOL, signs);
  }

  /** Reopens those that were seen after an end that is stored. */
  async reopenSeen(ends: Lost): Promise<void> {
    if (ends.size === 0) return;
    const rows = await this.ask<{ session_id: string; last_sign: Date }>(
      SEEN_SINCE,
      [arrayOf([...ends.keys()]), arrayOf([...ends.values()])],
    );
    const signs = new Map(
      rows.map((row) => [row.session_id, timeOf(row.last_sign)]),
    );
    const lost = new Map([...ends].filter(([id]) => signs.has(id)));
    await this.reopen(signs, signs, lost);
  }

  private write(signs: readonly Sign[]): Promise<Written> {
    this.waiting.push(...signs);
    return (this.next ??= this.running.then(() => {
      const taken = this.waiting;
      this.waiting = [];
      this.next = null;
      const written = this.writeAll(taken);
      this.running = written.catch(() => {});
      return written;
    }));
  }

  private async writeAll(signs: readonly Sign[]): Promise<Written> {
    const ids = arrayOf(signs.map(({ session_id }) => session_id));
    const rows = await this.ask<{ session_id: string; reporter: string }>(
      WRITE,
      [
        this.clock_ms(),
        ids,
        arrayOf(signs.map(({ sign }) => sign)),
        arrayOf(signs.map(({ reporter }) => encoded(reporter))),
        arrayOf(signs.map(({ free }) => free)),
        this.servers.id,
      ],
    );
    const lost = await this.ask<{ session_id: string; end_time: Date }>(LOST, [
      ids,
    ]);
    return {
      others: new Set(rows.map(keyOf)),
      lost: new Map(lost.map((row) => [row.session_id, timeOf(row.end_time)])),
    };
  }

  /** Stores an event for each lost session with a later sign of life. */
  private async reopen(
    signs: ReadonlyMap<string, string>,
    theirs: ReadonlyMap<string, string>,
    lost: Lost,
  ): Promise<void> {
    if (lost.size === 0) return;
    const back: Event[] = [];
    const doubtful = new Map<string, string>();
    for (const [id, end] of lost) {
      const sign = signs.get(id)!;
      if (sign > end && theirs.get(id)! > end) back.push(signOfLife(id, sign));
      else doubtful.set(id, end);
    }
    // A clock ahead of ours may have put the end in the future.
    if (doubtful.size > 0) {
      const found = await this.ask<{ session_id: string; received_at: Date }>(
        RECEIPTS,
        [arrayOf([...doubtful.keys()])],
      );
      for (const { session_id, received_at } of found)
        if (signs.get(session_id)! > timeOf(received_at))
          back.push(
            signOfLife(session_id, justAfter(doubtful.get(session_id)!)),
          );
    }
    await this.append(back);
  }
}

const keyOf = ({
  session_id,
  reporter,
}: Pick<Sign, "session_id" | "reporter">) =>
  `${session_id} ${encoded(reporter)}`;

const justAfter = (time: string) => isoTime(Date.parse(time) + 1);
