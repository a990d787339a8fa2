/**
 * The servers that share the database, each by a name that it keeps when it is started
 * again. Who reports to one that is away cannot be heard: these sessions wait for it.
 */
import type { Connection } from "./connect.ts";
import { APART_MS, PAUSE_MS } from "./duties.ts";
import { UNWAITED, databaseTime } from "./rows.ts";

const CLOCK = databaseTime("$2");
const ms = (number: number) => `interval '${number} milliseconds'`;

const BEGIN = `INSERT INTO servers AS v (name, since, seen_at)
  SELECT $1::text, c.now, c.now FROM (SELECT ${CLOCK} AS now) AS c
  ON CONFLICT (name) DO UPDATE SET since = excluded.since, seen_at = excluded.seen_at
  RETURNING id`;

const SEEN = `UPDATE servers AS v SET seen_at = c.now,
    since = CASE WHEN c.now BETWEEN v.seen_at - ${ms(APART_MS)}
      AND v.seen_at + ${ms(PAUSE_MS)} THEN v.since ELSE c.now END
  FROM (SELECT ${CLOCK} AS now, ${UNWAITED}) AS c WHERE v.name = $1::text`;

/** One that has not been seen for so long reports to no session any more. */
const FORGOTTEN_DAYS = 30;
const FORGET = `DELETE FROM servers AS v USING (SELECT ${CLOCK} AS now) AS c
  WHERE v.name <> $1::text
    AND v.seen_at < c.now - interval '${FORGOTTEN_DAYS} days'`;

export class Servers {
  /** This one's number; 0 of a command, which nobody reports to. */
  id = 0;

  /** @param name of this one; null of a command */
  constructor(
    private readonly connection: Connection,
    private readonly name: string | null,
  ) {}

  /**
   * Who reports to it can be heard from now on.
   * @param clock_ms how far the caller's clock is moved
   */
  async begin(clock_ms: number): Promise<void> {
    if (this.name === null) return;
    const values = [this.name, clock_ms];
    const [row] = await this.connection.ask<{ id: number }>(BEGIN, values);
    this.id = row!.id;
    await this.connection.ask(FORGET, values);
  }

  /** It can be heard still, or again. */
  async seen(clock_ms: number): Promise<void> {
    if (this.name !== null)
      await this.connection.ask(SEEN, [this.name, clock_ms]);
  }
}
