/** Makes conditions of filters; every value goes as a parameter. */
import type { Status } from "../../model/columns.ts";
import type { SessionFilter } from "../../model/filter.ts";
import {
  Conditions as AnyConditions,
  type Comparisons,
  EIGHT_HEX,
  FAILED,
  STATUS,
  addFilter,
} from "../conditions.ts";
import type { Value } from "./connect.ts";
import { encoded } from "./text.ts";

export interface Query {
  sql: string;
  values: Value[];
}

export class Conditions extends AnyConditions<Value> {
  /** Texts are encoded; conditions cast each value to its type. */
  override parameter(value: Value): string {
    return super.parameter(typeof value === "string" ? encoded(value) : value);
  }
}

/**
 * In small letters, any letters, whatever the database's own locale knows; most texts
 * have those of ASCII alone, which takes a third of the time. Each letter becomes one,
 * and the same at the end of a word as within. An index of trigrams is one of this very
 * expression.
 */
export const LOWER = (text: string) => `(CASE
  WHEN octet_length(${text}) = length(${text})
    THEN lower(${text} COLLATE "C") COLLATE "C"
  ELSE lower(translate(${text}, 'Σİ', 'σi') COLLATE "und-x-icu") COLLATE "C" END)`;

/** As LIKE takes it, for which there may be an index of trigrams. */
const LITERAL = String.raw`replace(replace(replace(${LOWER("?::text")},
  '\', '\\'), '%', '\%'), '_', '\_')`;

/** Whether a text has the value in it, upper and lower case alike. */
export const contains = (text: string) =>
  `${LOWER(text)} LIKE '%' || ${LITERAL} || '%'`;

/** Whether a text is the value; an index has its beginning. */
export const equals = (column: string) =>
  `left(${column}, 256) = left(?::text, 256) AND ${column} = ?::text`;

/** Whether a folder is the value, or below it. */
export const within = (folder: string) =>
  `(left(${folder}, 256) = left(coalesce(nullif(rtrim(?::text, '/'), ''), '/'), 256)
      AND ${folder} = coalesce(nullif(rtrim(?::text, '/'), ''), '/')
    OR starts_with(left(${folder}, 256), left(rtrim(?::text, '/') || '/', 256))
      AND starts_with(${folder}, rtrim(?::text, '/') || '/'))`;

export const TIME = "?::text::timestamptz";

/** Between two times, not below zero; what is exact to the last digit takes twice as long. */
export const MS_BETWEEN = (since: string, until: string) =>
  `greatest(0, round(date_part('epoch', ${until} - ${since}) * 1000))`;

/** Of a session that has ended; NULL of others. */
export const ENDED_MS = `CASE WHEN s.end_time IS NOT NULL THEN
  ${MS_BETWEEN("s.start_time", "s.end_time")} END`;

/**
 * How long a session took, by an index, or has taken until `now`, compared with
 * milliseconds.
 */
const took = (comparison: "<" | ">", now: string): string => {
  const ms = "?::bigint * interval '1 millisecond'";
  return `(?::bigint > 0 OR '${comparison}' = '>')
    AND (s.end_time - s.start_time ${comparison} ${ms}
      OR s.end_source IS NULL AND greatest(${now} - s.start_time, interval '0')
        ${comparison} ${ms})`;
};

/**
 * Not ended before a time: those of the day before it and later, the few that were
 * longer, and those without an end, each by an index.
 */
export const IN_SINCE = `(s.end_source IS NULL
  OR s.start_time >= ${TIME} - interval '24 hours' AND s.end_time >= ${TIME}
  OR s.end_time - s.start_time > interval '24 hours' AND s.end_time >= ${TIME})`;

/** The greatest character: beyond all that begin with a text. */
const LAST = "\u{10ffff}";

/** Whether an id begins with a text, or ends with its 8 hex. */
export function begins(
  conditions: Conditions,
  column: string,
  value: string | number,
): void {
  const text = String(value);
  // In this form an index serves.
  const from = conditions.parameter(text);
  const until = conditions.parameter(text + LAST);
  const begins = `${column} >= ${from}::text AND ${column} < ${until}::text`;
  conditions.always(
    EIGHT_HEX.test(text)
      ? `(${begins} OR right(${column}, 8) = ${from}::text)`
      : begins,
  );
}

const COMPARISONS: Comparisons<Conditions> = {
  begins,
  equals: (conditions, column, value) => conditions.add(equals(column), value),
  has: (conditions, column, value) =>
    conditions.add(
      `short_texts(${column}) @> ARRAY[left(?::text, 256)]
        AND ${column} @> ARRAY[?::text]`,
      value,
    ),
  within: (conditions, column, value) => conditions.add(within(column), value),
  exits: (conditions, column, value) =>
    conditions.add(`${column} = ?::integer`, value),
  failed: (conditions) => conditions.always(FAILED),
  some: (conditions, column) => conditions.always(`${column} > 0`),
  status: (conditions, _column, value) =>
    conditions.always(STATUS[value as Status]),
  active: (conditions) => conditions.always(STATUS.active),
  incomplete: (conditions) =>
    conditions.always(`(${STATUS.active} OR ${STATUS.lost})`),
  from: (conditions, column, value) =>
    conditions.add(`${column} >= ${TIME}`, value),
  until: (conditions, column, value) =>
    conditions.add(`${column} < ${TIME}`, value),
  at: (conditions, column, value) =>
    conditions.add(`${column} <= ${TIME} AND ${IN_SINCE}`, value),
  during: (conditions, _column, value) => conditions.add(IN_SINCE, value),
  last: (conditions, _column, value) => conditions.add(IN_SINCE, value),
  longer: (conditions, _column, value, now) => {
    const until = TIME.replace("?", conditions.parameter(now));
    conditions.add(took(">", until), value);
  },
  shorter: (conditions, _column, value, now) => {
    const until = TIME.replace("?", conditions.parameter(now));
    conditions.add(took("<", until), value);
  },
  ran: (conditions, _column, value) =>
    conditions.add(
      `s.session_id IN (SELECT c.session_id FROM commands AS c
        WHERE ${contains("c.text")})`,
      value,
    ),
};

/**
 * Conditions on the sessions `s`; those without a start are none.
 * @param now in milliseconds since the epoch
 * @param values shared with others in the same statement
 */
export function sessionConditions(
  filter: SessionFilter,
  now: number,
  values?: Value[],
): Conditions {
  const conditions = new Conditions(values);
  conditions.always("s.start_time IS NOT NULL");
  addFilter(conditions, filter, now, COMPARISONS);
  return conditions;
}
