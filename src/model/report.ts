/** A report: all that is to be said of the sessions of a span of time. */
import {
  type FigureRow,
  METRIC_NAMES,
  type Metric,
  type Question,
} from "./analytics.ts";
import { isoTime } from "./clock.ts";
import type { Session } from "./session.ts";
import type { SessionStats, SessionStore } from "./store.ts";

export interface Report extends Record<Metric, FigureRow[]> {
  /** UTC, ISO 8601. */
  generated_at: string;
  after: string;
  before: string;
  period: Question["period"];
  /** What the sessions were chosen by, beside their time. */
  chosen_by: Record<string, unknown>;
  totals: SessionStats;
  /** The newest, at most so many. */
  timeline: Session[];
}

/** Of a timeline. */
export const MOST_SESSIONS = 400;

/** Asks a store for all of it, one question after the other. */
export async function reportOf(
  store: SessionStore,
  asked: Omit<Question, "metric">,
  now: number,
): Promise<Report> {
  const { after, before, ...chosen_by } = asked.sessions;
  const rows: [Metric, FigureRow[]][] = [];
  for (const metric of METRIC_NAMES)
    rows.push([metric, await store.analytics({ ...asked, metric })]);
  return {
    ...{ generated_at: isoTime(now), after, before, period: asked.period },
    chosen_by,
    totals: await store.stats(asked.sessions),
    ...(Object.fromEntries(rows) as Record<Metric, FigureRow[]>),
    timeline: await Array.fromAsync(
      store.list({ ...asked.sessions, limit: MOST_SESSIONS }),
    ),
  };
}
