/** Sessions as last(1) and who(1) show logins: who, on which terminal, from when to when. */
import { type Zone, wallOf } from "../model/clock.ts";
import type { Session } from "../model/columns.ts";
import { sessionColumn } from "./detail.ts";
import type { Column } from "./table.ts";

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** `2026-02-06 12:34`. */
function minute(iso: string, zone: Zone): string {
  const wall = new Date(wallOf(Date.parse(iso), zone)).toISOString();
  return wall.slice(0, 16).replace("T", " ");
}

/** `Fri 2026-02-06 12:34`. */
const dayAndMinute = (iso: string, zone: Zone) =>
  `${DAYS[new Date(wallOf(Date.parse(iso), zone)).getUTCDay()]} ${minute(iso, zone)}`;

/** When it ended: the time of day alone where that is the day it began. */
function ended({ start_time, end_time, status }: Session, zone: Zone): string {
  if (end_time === null) return "still in";
  const [day, clock] = minute(end_time, zone).split(" ");
  const same = minute(start_time, zone).startsWith(day!);
  const at = same ? clock! : `${day} ${clock}`;
  return status === "lost" ? `lost ${at}` : at;
}

const of = (key: keyof Session, more: Partial<Column<Session>> = {}) => ({
  ...sessionColumn(key),
  ...more,
});

/** Without the folder that all of them are in. */
const TTY: Column<Session> = {
  header: "TTY",
  value: ({ tty }) => tty?.replace(/^\/dev\//, "") ?? "-",
  drop: 5,
};

export const LAST_COLUMNS: readonly Column<Session>[] = [
  of("username", { shrink: "name" }),
  TTY,
  of("hostname", { shrink: "name", drop: 6 }),
  of("start_time", {
    person: ({ start_time }, zone) => dayAndMinute(start_time, zone),
  }),
  of("end_time", { header: "ENDED", person: ended, drop: 8 }),
  of("duration_seconds", { drop: 4 }),
  // A person has it with the end.
  of("status", { drop: 1 }),
  of("exit_code", { drop: 3 }),
  of("component_name", { shrink: "name", drop: 2 }),
  of("session_id", { shrink: "id", drop: 7 }),
];

export const WHO_COLUMNS: readonly Column<Session>[] = [
  of("username", { shrink: "name" }),
  TTY,
  of("hostname", { shrink: "name", drop: 6 }),
  of("start_time", {
    header: "SINCE",
    person: ({ start_time }, zone) => minute(start_time, zone),
  }),
  of("duration_seconds", { drop: 2 }),
  of("component_name", { shrink: "name", drop: 1 }),
  of("session_id", { shrink: "id", drop: 7 }),
  {
    header: "LAST COMMAND",
    value: ({ last_command }) => last_command ?? "-",
    text: true,
    drop: 3,
  },
];
