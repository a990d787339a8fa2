/**
 * Queries in SQL that a user writes: the views that they may read, what bounds them,
 * and their answer.
 */
import type { Json } from "./event.ts";

/** The views, and what each has a row for. */
export const VIEW_NAMES = [
  "sessions",
  "commands",
  "events",
  "output",
  "recordings",
] as const;
export type ViewName = (typeof VIEW_NAMES)[number];

/** Of a query's text. */
export const MAX_QUERY_BYTES = 32 * 1024;
/** How long one may run, in seconds. */
export const QUERY_SECONDS = { default: 30, max: 600 };
/** What a server answers to one query. */
export const MAX_SERVED = { rows: 100_000, bytes: 16 * 1024 * 1024 };

export interface QueryRequest {
  sql: string;
  timeout_ms: number;
  /** Aborted when nobody waits for the answer any more. */
  gone?: AbortSignal;
}

export interface QueryColumn {
  /** Unique among the columns of an answer. */
  name: string;
  /** As DuckDB writes it: `BIGINT`, `VARCHAR[]`… */
  type: string;
}

/** Values in the order of the columns; times are UTC. */
export type QueryRow = readonly Json[];

export interface QueryAnswer {
  columns: readonly QueryColumn[];
  /** To be taken once, to the end: the query runs meanwhile. */
  rows: AsyncIterable<QueryRow>;
  /** Whether a server has left rows out; known once all were taken. */
  cut(): boolean;
}
