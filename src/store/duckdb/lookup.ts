/** Looks at what is stored as it stands: nothing is written to read it. */
import { type Session, view } from "../../model/session.ts";
import { isoTime } from "../../model/clock.ts";
import type { Database } from "./database.ts";
import type { Folds } from "./folds.ts";
import type { LivenessTracker } from "./liveness.ts";
import { type ReadRow, sessionOf } from "../rows.ts";
import { sessionQuery } from "./session-tables.ts";
import { time } from "./statements.ts";

const HOSTS = `SELECT hostname, ${time("max(last_seen)", "seen")}
  FROM all_sessions WHERE last_seen >= $1::TIMESTAMP GROUP BY hostname LIMIT 10000`;

export class Lookup {
  constructor(
    private readonly db: Database,
    private readonly folds: Folds,
    private readonly liveness: LivenessTracker,
  ) {}

  /** @param now in milliseconds since the epoch */
  async session(session_id: string, now: number): Promise<Session | null> {
    const state = this.folds.get(session_id);
    if (state) return view(state, now);
    // What is not in memory has a row.
    const { sql, values } = sessionQuery(session_id);
    const [row] = await this.db.ask<ReadRow>(sql, values);
    return row ? sessionOf(row, this.liveness.signs, now) : null;
  }

  /**
   * Hosts by when something of them was stored last, in milliseconds; signs of life
   * that wrote nothing do not count.
   */
  async hosts(since_ms: number): Promise<Map<string, number>> {
    type Row = { hostname: string; seen: string };
    const rows = await this.db.ask<Row>(HOSTS, [isoTime(since_ms)]);
    return new Map(
      rows.map(({ hostname, seen }) => [hostname, Date.parse(seen)]),
    );
  }
}
