/** What a column of a session is: its type, where it comes from, its filters. */
import type { EndSource, JsonObject } from "./event.ts";
import type { EndFacts, Register, StartFacts, State } from "./state.ts";

/** What a stored column is made from. */
export interface Facts {
  state: State;
  start: StartFacts;
  /** The end that holds. */
  end: Register<EndFacts> | null;
}

/** What a column that depends on the clock is made from. */
export interface Span {
  start_time: string;
  end_time: string | null;
  end_source: EndSource | null;
}

/** The type of a column's values; a `short` is an integer of 16 bits. */
export interface Types {
  text: string;
  /** UTC, ISO 8601 with milliseconds. */
  time: string;
  integer: number;
  short: number;
  seconds: number;
  texts: string[];
  object: JsonObject;
}
export type Type = keyof Types;

/**
 * How a filter compares, and what it is given; the order in which filters are
 * listed.
 */
export const COMPARISONS = {
  begins: "text",
  equals: "text",
  has: "texts",
  within: "folder",
  exits: "status",
  failed: "flag",
  some: "flag",
  status: "text",
  active: "flag",
  incomplete: "flag",
  from: "time",
  until: "time",
  at: "time",
  during: "span",
  last: "length",
  longer: "length",
  shorter: "length",
  ran: "text",
} as const;
export type Comparison = keyof typeof COMPARISONS;
/** What a filter is given, as flags and tools give it. */
export type Given = (typeof COMPARISONS)[Comparison];

export interface Filter {
  how: Comparison;
  /** All that it may ask for; anything when left out. */
  values?: readonly string[];
  /** Another name of its flag. */
  alias?: string;
  description: string;
}

/** A column of the table that `list-sessions` prints; one without is not in it. */
export interface Shown {
  header: string;
  /** From the left, 1 first. */
  place: number;
  /** Where there is no room the lowest is left out first; one without stays. */
  drop?: number;
  /** How it may be shortened, see render/table.ts. */
  shrink?: "id" | "name";
  /** The column whose value is shown instead, where it has one. */
  rather?: "signal";
}

/** What a column may have beside its type and where it comes from. */
export interface More {
  /** By the names of flags and of the tools' arguments. */
  filters?: Readonly<Record<string, Filter>>;
  table?: Shown;
  /** Whether the tools' schema allows null. */
  nullable?: true;
  /** All the values that there are; any of its type when left out. */
  values?: readonly string[];
}

/** A column that is stored, from the registers of the fold. */
export interface Stored<T extends Type = Type, Value = unknown> {
  type: T;
  from: (facts: Facts) => Value;
}
/** A column that the clock makes, never stored. */
export interface Derived<T extends Type = Type, Value = unknown> {
  type: T;
  /** @param now in milliseconds since the epoch */
  at: (span: Span, now: number) => Value;
}
/** Another name of a column, in JSON and CSV alone. */
export interface Alias {
  type: "text";
  same_as: string;
}

export type Column = More & (Stored | Derived | Alias);

export const stored = <
  const T extends Type,
  V extends Types[T],
  const M extends More = object,
>(
  type: T,
  from: (facts: Facts) => V,
  more?: M,
): Stored<T, V> & M => ({ type, from, ...more! });

/** The same of one that may be null. */
export const maybe = <
  const T extends Type,
  V extends Types[T],
  const M extends More = object,
>(
  type: T,
  from: (facts: Facts) => V | null,
  more?: M,
): Stored<T, V | null> & { nullable: true } & M => ({
  type,
  nullable: true,
  from,
  ...more!,
});

export const derived = <
  const T extends Type,
  V extends Types[T],
  const M extends More = object,
>(
  type: T,
  at: (span: Span, now: number) => V,
  more?: M,
): Derived<T, V> & M => ({ type, at, ...more! });

export const alias = (same_as: string): Alias => ({ type: "text", same_as });
