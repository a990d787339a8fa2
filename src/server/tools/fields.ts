/**
 * Fields that several tools take or give, and pages of rows. A schema states types, required fields
 * and that no others exist; what a value may be it says in words, and the tool
 * checks it, whose answer names the field.
 */
import { z } from "zod";
import type { JsonObject } from "../../model/event.ts";

export const text = z.string();
export const orNull = text.nullable();
export const seconds = z.number();
export const count = z.int().nonnegative();
export const object = z
  .custom<JsonObject>(
    (value) =>
      typeof value === "object" && value !== null && !Array.isArray(value),
    "expected an object",
  )
  .meta({ type: "object" });

/** Clients in other languages send a number as text, or as 12345.0. */
export const lenient = (schema: z.ZodType<number>) =>
  z.preprocess(
    (value) =>
      typeof value === "string" && /^\s*[+-]?\d{1,15}(\.0*)?\s*$/.test(value)
        ? Number(value)
        : value,
    schema,
  );
export const integer = lenient(z.int());

/** The same for those that write true and false as text, as Python does too. */
export const flag = z.preprocess((value) => {
  const word = typeof value === "string" ? value.toLowerCase() : "";
  return word === "true" ? true : word === "false" ? false : value;
}, z.boolean());

export const metadata = object
  .nullish()
  .describe("Anything else worth keeping; null is the same as {}");
export const timestamp = text.describe(
  "YYYY-MM-DDTHH:MM:SS[.fraction][Z|±HH:MM]; without a zone it is UTC",
);

/** What a tool that records one report gives. */
export const tracked = (...statuses: [string, ...string[]]) => ({
  session_id: orNull,
  status: z.enum(statuses),
  error: orNull,
});

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
