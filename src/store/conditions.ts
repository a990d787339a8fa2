/** Conditions of a statement, and those that a filter of sessions makes, in any SQL. */
import { isoTime } from "../model/clock.ts";
import type { Comparison } from "../model/column.ts";
import type { Status } from "../model/columns.ts";
import { FILTERS, type SessionFilter } from "../model/filter.ts";

/** Every value goes as a parameter. */
export class Conditions<Value> {
  readonly all: string[] = [];

  /** @param values shared with others in the same statement */
  constructor(readonly values: Value[] = []) {}

  /** @param condition with a `?` where the value goes, once or more */
  add(condition: string, value: Value | undefined): void {
    if (value === undefined) return;
    this.all.push(condition.replaceAll("?", this.parameter(value)));
  }

  always(condition: string): void {
    this.all.push(condition);
  }

  optional(clause: string, value: Value | undefined): string {
    return value === undefined
      ? ""
      : clause.replace("?", this.parameter(value));
  }

  parameter(value: Value): string {
    return `$${this.values.push(value)}`;
  }

  get where(): string {
    return this.all.length ? `WHERE ${this.all.join(" AND ")}` : "";
  }
}

/** Of the column `end_source` of sessions `s`. */
export const STATUS: Record<Status, string> = {
  active: "s.end_source IS NULL",
  lost: "s.end_source = 'recovered'",
  ended: "s.end_source IN ('observed', 'declared')",
};

export const FAILED = "(s.exit_code <> 0 OR s.signal IS NOT NULL)";

/** The beginning of an id, or its end. */
export const EIGHT_HEX = /^[0-9a-f]{8}$/;

/** What each comparison of a column with a value adds; `now` is UTC ISO 8601. */
export type Comparisons<Of> = Record<
  Comparison,
  (conditions: Of, column: string, value: string | number, now: string) => void
>;

/**
 * Adds what a filter says of the sessions `s`.
 * @param now in milliseconds since the epoch
 */
export function addFilter<Of>(
  conditions: Of,
  filter: SessionFilter,
  now: number,
  comparisons: Comparisons<Of>,
): void {
  const done = new Set<string>();
  for (const { how, column, key } of FILTERS) {
    const value = filter[key];
    if (value === undefined || value === false || done.has(key)) continue;
    // Two filters may have one key.
    done.add(key);
    for (const each of Array.isArray(value) ? (value as string[]) : [value])
      comparisons[how](conditions, `s.${column}`, each as string, isoTime(now));
  }
}
