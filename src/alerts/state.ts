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
  ...{ first: null, last: null, about: bare<number>() },
});

/** An object whose keys others choose. */
export const bare = <T>(entries: [string, T][] = []): Record<string, T> => {
  const object = Object.create(null) as Record<string, T>;
  for (const [key, value] of entries) object[key] = value;
  return object;
};

/**
 * @param read what was kept; anything, where the file is damaged
 * @param rules the names of those that there are
 */
export function stateFrom(
  read: unknown,
  rules: ReadonlySet<string>,
): AlertState {
  const kept = objectIn(read);
  const of = <T>(
    field: unknown,
    reads: (value: unknown) => T | null,
  ): Record<string, T> => {
    const found: [string, T][] = [];
    for (const [rule, value] of Object.entries(objectIn(field))) {
      const own = rules.has(rule) ? reads(value) : null;
      if (own !== null) found.push([rule, own]);
    }
    return bare(found);
  };
  const cursor = objectIn(kept["cursor"]);
  const { seq, event_id = null } = cursor;
  return {
    cursor: Number.isInteger(seq)
      ? { seq: seq as number, event_id: event_id as string | null }
      : null,
    standing: of(kept["standing"], standingsIn),
    windows: of(kept["windows"], windowIn),
    sizes: of(kept["sizes"], (value) =>
      Array.isArray(value) ? (value as AlertState["sizes"][string]) : null,
    ),
  };
}

const objectIn = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null
    ? (value as Record<string, unknown>)
    : {};

const standingsIn = (value: unknown) =>
  bare(
    Object.entries(objectIn(value)).filter(
      (entry): entry is [string, Standing] =>
        typeof objectIn(entry[1])["since"] === "string",
    ),
  );

function windowIn(value: unknown): Window | null {
  const { from_ms, told, left_out, about, ...times } = objectIn(value);
  if (![from_ms, told, left_out].every(Number.isFinite)) return null;
  const counts = Object.entries(objectIn(about)) as [string, number][];
  return { ...times, from_ms, told, left_out, about: bare(counts) } as Window;
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
