/**
 * The numbers of events, in the order of their arrival. Writers give none, so that none
 * waits for another: who reads them numbers the batches that have been committed. What
 * is read has no gap that is filled later.
 */
import type { EventFilter } from "../../model/filter.ts";
import type { StoredEvent } from "../../model/store.ts";
import { BATCH_EVENTS } from "../queue.ts";
import { storedEventOf } from "../rows.ts";
import type { Connection } from "./connect.ts";
import { Conditions, TIME } from "./filters.ts";
import { Stale } from "./retry.ts";
import { arrayOf, timeOf } from "./text.ts";

/** Batches that are numbered at once. */
const SLICE = 10_000;
/** Events that one query reads. */
const PAGE = 1_024;

const SOME = "SELECT 1 FROM batches WHERE seq IS NULL LIMIT 1";
const LAST = "SELECT last FROM tail WHERE id = 1";
const UNNUMBERED = `SELECT batch, events FROM batches WHERE seq IS NULL
  ORDER BY arrival LIMIT ${SLICE}`;
const NUMBER = `UPDATE batches AS b SET seq = x.seq
  FROM unnest($1::bigint[], $2::bigint[]) AS x (batch, seq)
  WHERE b.batch = x.batch AND b.seq IS NULL`;
/** Compared, where nobody else could be kept out. */
const MOVE = `UPDATE tail SET last = $1::bigint
  WHERE id = 1 AND last = $2::bigint RETURNING last`;

export class Tail {
  /** The number of the newest event, as far as is known here. */
  last = 0;
  private running: Promise<unknown> = Promise.resolve();
  private next: Promise<void> | null = null;

  /**
   * @param transact runs statements in one transaction, again where others are in the way
   * @param locks whether those who number at once wait for each other
   */
  constructor(
    private readonly connection: Connection,
    private readonly transact: <T>(
      use: (tx: Connection) => Promise<T>,
    ) => Promise<T>,
    private readonly locks: boolean,
  ) {}

  /**
   * Gives numbers to what was committed until now. Whoever comes while that goes on has
   * it done once more, together with all who came meanwhile: with a lock that is kept
   * they would hold all connections.
   */
  number(): Promise<void> {
    return (this.next ??= this.running.then(() => {
      this.next = null;
      const numbered = this.numberAll();
      this.running = numbered.catch(() => {});
      return numbered;
    }));
  }

  private async numberAll(): Promise<void> {
    for (;;) {
      const some = await this.connection.ask(SOME);
      if (some.length === 0) break;
      await this.transact((tx) => this.numberSlice(tx));
    }
    const [row] = await this.connection.ask<{ last: string }>(LAST);
    this.last = Number(row!.last);
  }

  private async numberSlice(tx: Connection): Promise<void> {
    const [row] = await tx.ask<{ last: string }>(
      `${LAST} ${this.locks ? "FOR UPDATE" : ""}`,
    );
    const batches = await tx.ask<{ batch: string; events: number }>(UNNUMBERED);
    if (batches.length === 0) return;
    const before = Number(row!.last);
    let last = before;
    const seqs = batches.map(({ events }) => {
      last += events;
      return last - events;
    });
    await tx.ask(NUMBER, [
      arrayOf(batches.map(({ batch }) => batch)),
      arrayOf(seqs),
    ]);
    const moved = await tx.ask(MOVE, [last, before]);
    if (moved.length === 0) throw new Stale("others number the same batches");
  }

  /** Events that match, in the order of their numbers. */
  async *events(filter: EventFilter): AsyncGenerator<StoredEvent> {
    await this.number();
    let { after_seq, limit: left = Infinity } = filter;
    while (left > 0) {
      const page = Math.min(left, PAGE);
      const { sql, values } = eventsQuery(filter, after_seq, page);
      const rows = await this.connection.ask<Row>(sql, values);
      for (const { received_at, seq, ...row } of rows)
        yield storedEventOf({
          ...row,
          seq: Number(seq),
          received_at: timeOf(received_at),
        });
      if (rows.length < page) return;
      left -= page;
      after_seq = Number(rows.at(-1)!.seq);
    }
  }
}

interface Row {
  seq: string;
  received_at: Date;
  provenance: string | null;
  payload: string;
}

function eventsQuery(
  filter: EventFilter,
  after_seq: number | undefined,
  limit: number,
) {
  const { session_id, kinds, after, before } = filter;
  const batches = new Conditions();
  const { values } = batches;
  batches.always("b.seq IS NOT NULL");
  batches.add(`b.last_at >= ${TIME}`, after);
  batches.add(`b.first_at < ${TIME}`, before);
  // An index is read by it: a batch has no more events.
  batches.add(`b.seq >= ?::bigint - ${BATCH_EVENTS}`, after_seq);
  const events = new Conditions(values);
  events.always("e.batch = b.batch");
  events.add("e.session_id = ?::text", session_id);
  events.add("e.kind = ANY(?::text[])", kinds && arrayOf(kinds));
  events.add(`e.timestamp >= ${TIME}`, after);
  events.add(`e.timestamp < ${TIME}`, before);
  events.add("b.seq + e.ordinal > ?::bigint", after_seq);
  // Of a time few batches have some; that these are the same ones the database cannot tell.
  const isOfTime = session_id === undefined && (after ?? before) !== undefined;
  const from = isOfTime
    ? `(SELECT b.* FROM batches AS b ${batches.where} ORDER BY b.seq OFFSET 0) AS b
      CROSS JOIN LATERAL (SELECT e.* FROM events AS e ${events.where} OFFSET 0) AS e`
    : `batches AS b CROSS JOIN events AS e ${batches.where}
        AND ${events.all.join(" AND ")}`;
  const sql = `SELECT b.seq + e.ordinal AS seq, b.received_at, e.provenance,
      e.payload
    FROM ${from}
    ORDER BY b.seq, e.ordinal ${batches.optional("LIMIT ?::bigint", limit)}`;
  return { sql, values };
}
