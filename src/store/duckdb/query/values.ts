/**
 * Values of a query's answer as JSON: whole numbers are numbers where JavaScript can
 * hold them, times are UTC in ISO 8601, what DuckDB has as JSON is JSON.
 */
import {
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
  type DuckDBValueConverter,
  DuckDBListType,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  JsonDuckDBValueConverter,
} from "@duckdb/node-api";
import type { Json } from "../../../model/event.ts";
import { isTooDeep } from "../../json-depth.ts";

const WHOLE: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.BIGINT,
  DuckDBTypeId.UBIGINT,
  DuckDBTypeId.HUGEINT,
  DuckDBTypeId.UHUGEINT,
]);
const TIMES: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.TIMESTAMP,
  DuckDBTypeId.TIMESTAMP_S,
  DuckDBTypeId.TIMESTAMP_MS,
  DuckDBTypeId.TIMESTAMP_NS,
  DuckDBTypeId.TIMESTAMP_TZ,
]);

export const toJson: DuckDBValueConverter<Json> = (value, type, again) => {
  if (value === null || value === undefined) return null;
  const { typeId } = type;
  if (WHOLE.has(typeId)) return wholeNumber(value as bigint);
  // It would print itself in the zone of this process.
  if (value instanceof DuckDBTimestampTZValue)
    return isoTime(String(new DuckDBTimestampValue(value.micros)));
  if (TIMES.has(typeId)) return isoTime(String(value));
  if (typeId === DuckDBTypeId.DECIMAL) return decimal(String(value));
  if (typeId === DuckDBTypeId.INTERVAL) return String(value);
  if (isJson(type)) return parsed(String(value));
  return JsonDuckDBValueConverter(value as DuckDBValue, type, again as never);
};

/** The name of a type as DuckDB writes it; JSON is a text with another name. */
export function typeName(type: DuckDBType): string {
  if (isJson(type)) return "JSON";
  return type instanceof DuckDBListType
    ? `${typeName(type.valueType)}[]`
    : String(type);
}

/** JSON that is too deep stays the text that it is. */
const parsed = (text: string): Json =>
  isTooDeep(text) ? text : (JSON.parse(text) as Json);

const isJson = (type: DuckDBType) =>
  type.typeId === DuckDBTypeId.VARCHAR && type.alias === "JSON";

const wholeNumber = (value: bigint): number | string =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
    ? Number(value)
    : String(value);

/** One with more digits than a number holds stays as it is. */
const decimal = (text: string): number | string =>
  text.replace(/\D/g, "").length <= 15 ? Number(text) : text;

/** Milliseconds always, more where there are more; infinity is a word. */
function isoTime(text: string): string {
  const parts = /^(\S+) ([\d:]{8})(?:\.(\d+))?(?:[+-]00)?$/.exec(text);
  if (!parts) return text;
  const [, date, clock, fraction = ""] = parts;
  return `${date}T${clock}.${fraction.padEnd(3, "0")}Z`;
}
