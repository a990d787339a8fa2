/** Formats a line of a server's log for people: time, level, event, then its fields. */
import type { Zone } from "../model/clock.ts";
import { escapeText } from "./escape.ts";
import { localTime } from "./format.ts";

/** @param line one line of JSON; what is none is shown as it stands, escaped */
export function logLine(line: string, zone: Zone): string {
  const { time, level, event, ...fields } = parse(line);
  if (typeof time !== "string" || Number.isNaN(Date.parse(time)))
    return escapeText(line);
  const about = Object.entries(fields).map(
    ([name, value]) => `${name}=${shown(value)}`,
  );
  const head = [localTime(time, zone), String(level).padEnd(5), String(event)];
  return escapeText([...head, ...about].join(" "));
}

function parse(line: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(line)) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** A value that ends where it seems to. */
function shown(value: unknown): string {
  return typeof value === "string" && /^[^\s"=]+$/.test(value)
    ? value
    : JSON.stringify(value);
}
