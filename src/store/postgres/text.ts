/**
 * Texts for PostgreSQL, which holds no U+0000 and no half of a surrogate pair. U+0000 is
 * encoded with a private character, so that it comes back and texts stay as equal as
 * they were; half a pair becomes U+FFFD, as in JSON.
 */

const MARK = "\ue000";

/** A text as it is stored and compared; null stays null. */
export function encoded<T extends string | null>(text: T): T {
  if (text === null) return text;
  const whole = text.isWellFormed() ? (text as string) : text.toWellFormed();
  return whole.replace(/[\0\ue000]/g, (c) =>
    c === "\0" ? `${MARK}0` : `${MARK}e`,
  ) as T;
}

/** The reverse of `encoded`. */
export function decoded<T extends string | null>(text: T): T {
  if (text === null || !text.includes(MARK)) return text;
  return text.replace(/\ue000([0e])/g, (_, c) =>
    c === "0" ? "\0" : MARK,
  ) as T;
}

/** A list as one parameter, for a cast to an array; its texts are encoded before. */
export function arrayOf(
  values: readonly (string | number | boolean | null)[],
): string {
  const each = values.map((value) =>
    typeof value === "string"
      ? `"${value.replace(/[\\"]/g, String.raw`\$&`)}"`
      : String(value),
  );
  return `{${each.join(",")}}`;
}

/** In small letters, as `LOWER` of filters.ts has them. */
export const small = (text: string): string =>
  text.replace(/[Σİ]/g, (letter) => (letter === "Σ" ? "σ" : "i")).toLowerCase();

/** UTC, ISO 8601 with milliseconds. */
export const timeOf = <T extends Date | null>(time: T) =>
  (time && time.toISOString()) as T extends null ? string | null : string;

/** Whether a text has what stands for something else where texts are encoded. */
export const isMarked = (text: string): boolean => text.includes(MARK);

const MARK_IN_SQL = `chr(${MARK.charCodeAt(0)})`;

/** A column of JSON as a value of it, in which texts are encoded as stored ones are. */
export const jsonIn = (column: string) =>
  String.raw`(CASE WHEN ${column} LIKE '%\\u0000%' OR strpos(${column}, ${MARK_IN_SQL}) > 0
    THEN regexp_replace(replace(${column}, ${MARK_IN_SQL}, ${MARK_IN_SQL} || 'e'),
      '(?<!\\)((?:\\\\)*)\\u0000', '\1' || ${MARK_IN_SQL} || '0', 'g')
    ELSE ${column} END)::json`;
