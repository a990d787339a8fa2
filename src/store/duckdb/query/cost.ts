/**
 * What a query asks of the planner: tables, each as often as it is named, and columns,
 * which `*` makes many of. A short text can ask for billions.
 */
import { VIEW_NAMES } from "../../../model/query.ts";

/** Tables read, each of a WITH clause as often as it is named, with all it reads. */
export const MAX_TABLES = 200;
/** A table's columns, as many as `*` may make of them. */
export const MAX_COLUMNS = 10_000;
/** More than any view has. */
export const VIEW_COLUMNS = 64;

/** What a table costs whoever names it. */
export interface Cost {
  tables: number;
  columns: number;
}
export type Tables = ReadonlyMap<string, Cost>;

export const VIEWS: Tables = new Map(
  VIEW_NAMES.map((name) => [name, { tables: 1, columns: VIEW_COLUMNS }]),
);
export const NO_TABLE: Cost = { tables: 0, columns: 0 };
/** What a table of its own is made of is counted where it is made. */
export const ONE_TABLE: Cost = { tables: 1, columns: MAX_COLUMNS / 10 };

/** How often an expression stands for all columns. */
export function starsIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const inner = sum(Object.values(value).map(starsIn));
  return (value as { class?: unknown })["class"] === "STAR" ? inner + 1 : inner;
}

export const sum = (numbers: readonly number[]) =>
  numbers.reduce((a, b) => a + b, 0);
