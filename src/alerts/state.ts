/** How far the server has looked, which conditions hold, and what rules have told. */
import type { JsonObject } from "../model/event.ts";

/** The alerts of a rule since it began to count; see `at_most`. */
export interface Window {
  from_ms: number;
  told: number;
  left_out: number;
  /** When the first and the last that were left out happened; UTC. */
  first: string | null;
  last: string | null;
  /** Whom they were about, as far as there is room. */
  about: Record<string, number>;
}

/** A condition that holds. */
export interface Standing {
  /** UTC. */
  since: string;
  /** Of the alert that it raised; null before it has lasted long enough. */
  id: string | null;
}

export interface AlertState {
  /** The last event that was looked at; null before the first look. */
  cursor: { seq: number; event_id: string | null } | null;
  /** By rule, then by what it is about. */
  standing: Record<string, Record<string, Standing>>;
  windows: Record<string, Window>;
  /** Sizes of the database, by rule. */
  sizes: Record<string, { at_ms: number; bytes: number }[]>;
}

export const noWindow = (from_ms: number): Window => ({
  ...{ from_ms, told: 0, left_out: 0 },
  ...{ first: null, last: null, about: {} },
});

/**
 * @param read what was kept; anything, where the file is damaged
 * @param rules the names of those that there are
 */
export function stateFrom(
  read: unknown,
  rules: ReadonlySet<string>,
): AlertState {
  const kept = (read ?? {}) as Partial<AlertState>;
  const of = <T>(field: Record<string, T> | undefined): Record<string, T> =>
    Object.assign(
      Object.create(null) as Record<string, T>,
      Object.fromEntries(
        Object.entries(field ?? {}).filter(([rule]) => rules.has(rule)),
      ),
    );
  const seq = kept.cursor?.seq;
  return {
    cursor: typeof seq === "number" ? kept.cursor! : null,
    standing: of(kept.standing),
    windows: of(kept.windows),
    sizes: of(kept.sizes),
  };
}

/** Of those that a rule has left out what can be told of them. */
export const leftOut = ({
  left_out,
  first,
  last,
  about,
}: Window): JsonObject => ({
  ...{ count: left_out, first, last, about },
});
