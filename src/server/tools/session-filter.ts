/**
 * Sessions as tools take and give them: the fields of a filter, the store's filter
 * from them, a session's fields. Columns are only ever added.
 */
import { z } from "zod";
import {
  type FilterName,
  COLUMNS,
  type Column,
  type Type,
} from "../../model/columns.ts";
import type { Given } from "../../model/column.ts";
import { commandTimes } from "../../model/command.ts";
import { Failure, fail } from "../../model/failure.ts";
import {
  FILTERS,
  type FilterArguments,
  type NamedFilter,
  type SessionFilter,
  filterOf,
} from "../../model/filter.ts";
import { parseSpan, parseTime } from "../../model/time.ts";
import { findSession, noSession } from "../../model/reference.ts";
import type { Session } from "../../model/session.ts";
import type { SessionStore } from "../../model/store.ts";
import { localZone } from "../../os/zone.ts";
import { flag, lenient, text, object, seconds } from "./fields.ts";

/** A time in words, for a filter. */
export const when = (what: string) =>
  text
    .optional()
    .describe(
      `${what}: ISO 8601, a date, today, "yesterday 14:05", "sat 14:05", "28 Nov 2:05pm", "2 hours ago", -2d`,
    );

/** What a filter is given, as a field of a tool. */
const FIELDS: Record<Given, z.ZodType> = {
  text,
  texts: z.preprocess(
    (value) => (typeof value === "string" ? [value] : value),
    z.array(text),
  ),
  folder: text,
  status: lenient(z.int().min(0).max(255)),
  flag,
  time: text,
  span: text,
  // A number of seconds is what clients in other languages have.
  length: z.preprocess(
    (value) => (typeof value === "number" ? String(value) : value),
    text,
  ),
};

type Shape = { [N in FilterName]: z.ZodType<FilterArguments[N]> };

export const sessionFilter = Object.fromEntries(
  FILTERS.map((filter) => [filter.name, fieldOf(filter)]),
) as Shape;

function fieldOf({ given, values, description }: NamedFilter): z.ZodType {
  if (given === "time") return when(description);
  const type = values ? z.enum(values) : FIELDS[given];
  return type.optional().describe(description);
}

/**
 * @param now_ms milliseconds since the epoch
 * @throws Failure (refused) naming the field that it cannot have
 */
export const sessionFilterOf = (
  args: FilterArguments,
  now_ms: number,
): SessionFilter => filterOf(args, now_ms, localZone(process.env), refused);

/** @throws Failure (refused) naming the field that is no time */
export function timesOf(
  { after, before }: Pick<FilterArguments, "after" | "before">,
  now_ms: number,
): { after?: string; before?: string } {
  return {
    ...(after !== undefined && { after: time("after", after, now_ms) }),
    ...(before !== undefined && { before: time("before", before, now_ms) }),
  };
}

/** @throws Failure (refused) naming the field that is no time */
export function commandTimesOf(
  args: Pick<FilterArguments, "after" | "before" | "at" | "during">,
  now_ms: number,
): ReturnType<typeof commandTimes> {
  const { at, during } = args;
  let span = {};
  try {
    if (during !== undefined)
      span = parseSpan(during, now_ms, localZone(process.env));
  } catch (error) {
    throw refused("during", error);
  }
  return commandTimes({
    ...{ ...timesOf(args, now_ms), ...span },
    ...(at !== undefined && { at: time("at", at, now_ms) }),
  });
}

function time(field: string, text: string, now_ms: number): string {
  try {
    return parseTime(text, now_ms, localZone(process.env)).toISOString();
  } catch (error) {
    throw refused(field, error);
  }
}

/** What is wrong with a field, under its name. */
function refused(field: string, error: unknown): unknown {
  if (!(error instanceof Failure)) return error;
  return fail.refused(`${field}: ${error.sentence}`, error.hint);
}

/** @throws Failure (not_found, ambiguous) naming the next step */
export async function sessionNamed(
  store: SessionStore,
  reference: string,
): Promise<Session> {
  const found = await findSession(store, reference);
  if (found) return found;
  throw noSession(reference, "list_sessions shows which there are");
}

const TYPES: Record<Type, z.ZodType> = {
  text,
  time: text,
  integer: z.int(),
  short: z.int(),
  seconds,
  texts: z.array(text),
  object,
};

export const session: z.ZodRawShape = Object.fromEntries(
  Object.entries<Column>(COLUMNS).map(([name, column]) => {
    const values = "values" in column ? column.values : undefined;
    const type = values ? z.enum(values) : TYPES[column.type];
    return [name, column.nullable ? type.nullable() : type];
  }),
);
