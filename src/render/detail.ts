/**
 * One session in full: a key and its value a line, then the metadata.
 */
import type { Json } from "../model/event.ts";
import { sessionJson } from "../model/json.ts";
import type { Session } from "../model/session.ts";
import type { Zone } from "../model/zone.ts";
import { escapeText } from "./escape.ts";
import { duration, localTime } from "./format.ts";

const TIMES = ["start_time", "end_time", "last_seen"];

export function detail(session: Session, zone: Zone): string {
  const { metadata, component: _, ...fields } = sessionJson(session);
  const lines = Object.entries(fields).map(
    ([key, value]) =>
      `${`${key}:`.padEnd(20)}${field(key, value as Json, zone)}`,
  );
  lines.push("metadata:");
  for (const [key, value] of Object.entries(metadata as object))
    lines.push(`  ${escapeText(key)}: ${text(value as Json)}`);
  return `${lines.join("\n")}\n`;
}

function field(key: string, value: Json, zone: Zone): string {
  if (TIMES.includes(key) && typeof value === "string")
    return localTime(value, zone);
  if (key === "duration_seconds" && typeof value === "number")
    return `${value} (${duration(value)})`;
  return text(value);
}

function text(value: Json): string {
  if (value === null) return "-";
  if (Array.isArray(value) && value.length === 0) return "[]";
  return escapeText(typeof value === "string" ? value : JSON.stringify(value));
}
