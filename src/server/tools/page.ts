/** A page of rows: what asks for one, and as many rows as one answer holds. */
import { z } from "zod";
import { lenient, text } from "./fields.ts";

export const MAX_ROWS = 10_000;
export const DEFAULT_ROWS = 50;
/** Of the rows of one page, as JSON. */
export const MAX_PAGE_CHARS = 4 * 1024 * 1024;

export const limit = lenient(z.int().min(1).max(MAX_ROWS)).optional();
export const cursor = text
  .optional()
  .describe("next_cursor of the page before; leave it out for the first page");

/** The first rows of some, as far as they fit into one answer. */
export async function page<T, Row extends object>(
  all: AsyncIterable<T>,
  max: number,
  shape: (item: T) => Row,
): Promise<{ rows: Row[]; more: boolean }> {
  const rows: Row[] = [];
  let chars = 0;
  let more = false;
  for await (const item of all) {
    // Read to its end: a query that is left halfway holds on to the database.
    if (more) continue;
    const row = shape(item);
    chars += JSON.stringify(row).length;
    more = rows.length === max || chars > MAX_PAGE_CHARS;
    // One row alone always fits: an event is bounded.
    if (rows.length === 0) more = false;
    if (!more) rows.push(row);
  }
  return { rows, more };
}
