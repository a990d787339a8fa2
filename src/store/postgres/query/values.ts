/**
 * Values of a query's answer as JSON: PostgreSQL gives each as a text. Whole numbers are
 * numbers where JavaScript can hold them, times are UTC in ISO 8601, what is JSON there
 * is JSON. The names of types are those that DuckDB has for the same.
 */
import type { Json } from "../../../model/event.ts";
import { decoded } from "../text.ts";
import { isTooDeep } from "../../json-depth.ts";

/** A column, as the catalog has it. */
export interface ColumnType {
  /** `int8`, `_text`, `sessions`… */
  type: string;
  /** `A` of lists, `C` of rows… */
  category: string;
  /** As PostgreSQL writes it, `numeric(4,2)`. */
  full: string;
}

const NAMES: Record<string, string> = {
  ...{ bool: "BOOLEAN", int2: "SMALLINT", int4: "INTEGER", int8: "BIGINT" },
  ...{ oid: "BIGINT", float4: "FLOAT", float8: "DOUBLE", bytea: "BLOB" },
  ...{ date: "DATE", time: "TIME", interval: "INTERVAL", uuid: "UUID" },
  ...{ timestamp: "TIMESTAMP", timestamptz: "TIMESTAMP" },
  ...{ json: "JSON", jsonb: "JSON" },
};

export function typeName({ type, category, full }: ColumnType): string {
  if (category === "A") return `${typeName(elementOf(type))}[]`;
  if (category === "C") return "JSON";
  if (type !== "numeric") return NAMES[type] ?? "VARCHAR";
  const sized = /\((\d+),(\d+)\)/.exec(full);
  return sized ? `DECIMAL(${sized[1]},${sized[2]})` : "DOUBLE";
}

const elementOf = (type: string): ColumnType => {
  const element = type.replace(/^_/, "");
  return { type: element, category: "", full: element };
};

/** Lists of numbers that JavaScript may not hold: as JSON they would be others. */
const LISTED: Record<string, (text: string) => number | string> = {
  _int8: wholeNumber,
  _numeric: decimal,
};

/** What a column is selected as, so that it comes as a text. */
export const asText = (name: string, { type, category }: ColumnType): string =>
  category === "A" || category === "C"
    ? `to_json(${name}${Object.hasOwn(LISTED, type) ? "::text[]" : ""})::text`
    : `${name}::text`;

export function toJson(
  text: string | null,
  { type, category }: ColumnType,
): Json {
  if (text === null) return null;
  if (category === "A" || category === "C") return whole(text, type);
  switch (type) {
    case "bool":
      return text === "true";
    case "int2":
    case "int4":
    case "int8":
    case "oid":
      return wholeNumber(text);
    case "float4":
    case "float8":
      return Number.isFinite(Number(text)) ? Number(text) : text;
    case "numeric":
      return decimal(text);
    case "timestamp":
    case "timestamptz":
      return isoTime(text);
    case "json":
    case "jsonb":
      return whole(text, type);
    default:
      return decoded(text);
  }
}

/** Texts within, as they were recorded; times in a list are written as JSON has them. */
function within(value: Json, type = ""): Json {
  if (typeof value === "string") {
    const number = LISTED[type];
    if (number) return number(value);
    return type.startsWith("_timestamp")
      ? isoTime(value.replace("T", " "))
      : decoded(value);
  }
  if (Array.isArray(value)) return value.map((each) => within(each, type));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [decoded(key), within(each)]),
  );
}

/** JSON that is too deep stays the text that it is. */
const whole = (text: string, type: string): Json =>
  isTooDeep(text) ? decoded(text) : within(JSON.parse(text) as Json, type);

function wholeNumber(text: string): number | string {
  return Number.isSafeInteger(Number(text)) ? Number(text) : text;
}

/** A whole one that a number does not hold stays as it is. */
function decimal(text: string): number | string {
  if (!/^-?\d+(\.\d+)?$/.test(text)) return text;
  return text.includes(".") ? Number(text) : wholeNumber(text);
}

/** Milliseconds always, more where there are more; infinity is a word. */
function isoTime(text: string): string {
  const parts = /^(\S+) ([\d:]{8})(?:\.(\d+))?(?:[+-]00(?::00)?)?$/.exec(text);
  if (!parts) return text;
  const [, date, clock, fraction = ""] = parts;
  return `${date}T${clock}.${fraction.padEnd(3, "0")}Z`;
}
