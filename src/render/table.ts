/**
 * Sessions as rows: aligned columns with a header for a person, tab-separated
 * cells without blanks for a program.
 */
import type { Session, Status } from "../model/session.ts";
import type { Zone } from "../model/zone.ts";
import { escapeCell } from "./escape.ts";
import { duration, localTime } from "./format.ts";

const HEADER = [
  "SESSION ID",
  "COMPONENT",
  "USER",
  "HOST",
  "STARTED",
  "DURATION",
  "STATUS",
  "EXIT",
];
const STATUS_COLUMN = 6;

const COLOR: Record<Status, string> = {
  active: "\x1b[32m",
  ended: "",
  lost: "\x1b[33m",
};

function cells(session: Session, zone: Zone): string[] {
  return [
    session.session_id,
    session.component_name,
    session.username,
    session.hostname,
    localTime(session.start_time, zone),
    duration(session.duration_seconds),
    session.status,
    session.signal ?? String(session.exit_code ?? "-"),
  ].map(escapeCell);
}

/** One row for a program. */
export function tabRow(session: Session, zone: Zone): string {
  return `${cells(session, zone).join("\t")}\n`;
}

/** The table for a person; nothing is cut. */
export function table(
  sessions: readonly Session[],
  color: boolean,
  zone: Zone,
): string {
  const rows = sessions.map((session) => cells(session, zone));
  const widths = HEADER.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => Bun.stringWidth(row[i]!))),
  );
  const line = (row: string[], paint: string) =>
    row
      .map((cell, i) => {
        const pad = " ".repeat(widths[i]! - Bun.stringWidth(cell));
        const shown =
          paint && i === STATUS_COLUMN ? `${paint}${cell}\x1b[0m` : cell;
        return shown + pad;
      })
      .join("  ")
      .trimEnd();
  return [
    line(HEADER, ""),
    ...rows.map((row, i) => line(row, color ? COLOR[sessions[i]!.status] : "")),
    "",
  ].join("\n");
}
