/**
 * Sessions for a person: one in full, a key and its value a line, then the
 * metadata; and the columns of a table of many. The JSON has the exact values.
 */
import {
  type Json,
  type JsonObject,
  MEASURED_KEYS,
  RECORDING,
  RESOURCE_USAGE,
} from "../model/event.ts";
import {
  COLUMNS,
  type Column as SessionColumn,
  type Session,
  type Status,
} from "../model/columns.ts";
import {
  NO_REMARKS,
  type Remark,
  type Remarks,
  type Watch,
} from "../model/remarks.ts";
import type { Zone } from "../model/clock.ts";
import { escapeText } from "./escape.ts";
import {
  bytes,
  duration,
  exactDuration,
  localClock,
  localSecond,
  localTime,
} from "./format.ts";
import { recordingText } from "./recording.ts";
import type { Column } from "./table.ts";

const KEY_CELLS = 20;

/** Each value once: no other name of a column, and the metadata by itself. */
const FIELDS = Object.entries<SessionColumn>(COLUMNS).flatMap(
  ([key, column]) =>
    "same_as" in column || column.type === "object"
      ? []
      : [{ key: key as keyof Session, type: column.type }],
);

export function detail(
  session: Session,
  zone: Zone,
  { notes, remarks, watches }: Remarks = NO_REMARKS,
): string {
  const lines = FIELDS.map(({ key, type }) => {
    const value = session[key];
    const [name, shown] = measured(key, value) ?? [
      key,
      type === "time" && typeof value === "string"
        ? localTime(value, zone)
        : text(value),
    ];
    return `${`${name}:`.padEnd(KEY_CELLS)}${shown}`;
  });
  lines.push("metadata:");
  for (const [key, value] of Object.entries(session.metadata)) {
    // What was measured, and is a field of its own, too.
    if (MEASURED.has(key) && key in COLUMNS) continue;
    if (key === RESOURCE_USAGE && isObject(value)) {
      lines.push(`  ${key}:`, ...usage(value).map((line) => `    ${line}`));
      continue;
    }
    if (key === RECORDING && isObject(value)) {
      lines.push(`  ${key}: ${recordingText(value)}`);
      continue;
    }
    const [name, shown] = (MEASURED.has(key) && measured(key, value)) || [
      escapeText(key),
      text(value),
    ];
    lines.push(`  ${name}: ${shown}`);
  }
  if (notes.length > 0) lines.push("notes:");
  for (const { timestamp, note } of notes)
    lines.push(`  ${localTime(timestamp, zone)} ${text(note)}`);
  if (remarks.length > 0) lines.push("remarks of others:");
  for (const { reporter, timestamp, received_at: _, ...said } of remarks)
    lines.push(
      `  ${localTime(timestamp, zone)} ${text(reporter)}: ${text(remarkOf(said))}`,
    );
  if (watches.length > 0) lines.push("watched:");
  for (const watch of watches) lines.push(`  ${watchText(watch, zone)}`);
  return `${lines.join("\n")}\n`;
}

/** `2026-02-06T14:05:00+01:00 by alice from 10.0.0.7, until 14:07:12`. */
function watchText(
  { watcher, address, start_time, end_time, said_by }: Watch,
  zone: Zone,
): string {
  const from = address === null ? "" : ` from ${escapeText(address)}`;
  const end = end_time === null ? "" : `, until ${localClock(end_time, zone)}`;
  const says = said_by === null ? "" : `, says ${escapeText(said_by)}`;
  const who = escapeText(watcher);
  return `${localTime(start_time, zone)} by ${who}${from}${end}${says}`;
}

/** Metadata alone, as most are, without its name. */
function remarkOf({
  metadata,
  ...more
}: Omit<Remark, "reporter" | "timestamp" | "received_at">): Json {
  if (Object.keys(more).length === 0) return metadata;
  return Object.keys(metadata).length === 0 ? more : { metadata, ...more };
}

const MEASURED: ReadonlySet<string> = new Set(MEASURED_KEYS);

const isObject = (value: Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A line each; those of one part of the processes on one. What is unknown is left out. */
function usage(values: JsonObject): string[] {
  const pair = (key: string, value: Json, between: string) => {
    const [name, shown] = measured(key, value) ?? [key, text(value)];
    return `${escapeText(name)}${between}${shown}`;
  };
  const known = (of: JsonObject) =>
    Object.entries(of).filter(([, value]) => value !== null);
  return known(values).map(([key, value]) =>
    isObject(value)
      ? `${escapeText(key)}: ${known(value)
          .map(([name, one]) => pair(name, one, " "))
          .join(", ")}`
      : pair(key, value, ": "),
  );
}

/** A number with a unit: its name without that, and the number as people read it. */
function measured(key: string, value: Json): [string, string] | null {
  if (typeof value !== "number") return null;
  const [, name, unit] = /^(.+)_(seconds|bytes)$/.exec(key) ?? [];
  if (unit === undefined) return null;
  return [name!, unit === "bytes" ? bytes(value) : exactDuration(value)];
}

function text(value: Json): string {
  if (value === null) return "-";
  if (Array.isArray(value) && value.length === 0) return "[]";
  return escapeText(typeof value === "string" ? value : JSON.stringify(value));
}

const COLOR: Record<Status, string> = {
  active: "\x1b[32m",
  ended: "",
  lost: "\x1b[33m",
};

/** The columns that have a header, in their places. */
export const SESSION_COLUMNS: readonly Column<Session>[] =
  Object.entries<SessionColumn>(COLUMNS)
    .flatMap(([name, { table }]) => (table ? [{ name, ...table }] : []))
    .sort((a, b) => a.place - b.place)
    .map(({ name, ...shown }) => ({ ...sessionColumn(name), ...shown }))
    .map((column) =>
      column.header === "STARTED" ? { ...column, person: started } : column,
    );

function started({ start_time }: Session, zone: Zone): string {
  return localSecond(start_time, zone);
}

/** Any column of sessions, whole. @param key of its JSON */
export function sessionColumn(key: string): Column<Session> {
  const column = (COLUMNS as Record<string, SessionColumn>)[key]!;
  if ("same_as" in column) return sessionColumn(column.same_as);
  const { type, table } = column;
  const name = key as keyof Session;
  const rather = table?.rather ?? name;
  return {
    header: table?.header ?? key.toUpperCase().replaceAll("_", " "),
    value: (session, zone) => {
      const value = session[rather] ?? session[name];
      if (value === null) return "-";
      if (type === "time") return localTime(String(value), zone);
      if (type === "seconds") return duration(Number(value));
      return typeof value === "object" ? JSON.stringify(value) : String(value);
    },
    ...(name === "status" && {
      color: ({ status }: Session) => COLOR[status],
    }),
  };
}

const WATCHED: ReadonlySet<string> = new Set([
  ...["SESSION ID", "USER", "HOST", "DURATION", "STATUS", "EXIT"],
]);

/** Of the table of `watch`. */
export const WATCH_COLUMNS: readonly Column<Session>[] = [
  ...SESSION_COLUMNS.filter(({ header }) => WATCHED.has(header)),
  {
    header: "LAST COMMAND",
    value: ({ last_command }) => last_command ?? "-",
    text: true,
  },
];
