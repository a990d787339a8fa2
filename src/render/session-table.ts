/** The columns of a table of sessions. */
import type { Session, Status } from "../model/session.ts";
import { duration, localTime } from "./format.ts";
import type { Column } from "./table.ts";

const COLOR: Record<Status, string> = {
  active: "\x1b[32m",
  ended: "",
  lost: "\x1b[33m",
};

export const SESSION_COLUMNS: readonly Column<Session>[] = [
  { header: "SESSION ID", value: (s) => s.session_id, shrink: "id" },
  {
    header: "COMPONENT",
    value: (s) => s.component_name,
    shrink: "name",
    drop: 7,
  },
  { header: "USER", value: (s) => s.username, shrink: "name", drop: 2 },
  { header: "HOST", value: (s) => s.hostname, shrink: "name", drop: 1 },
  {
    header: "STARTED",
    value: (s, zone) => localTime(s.start_time, zone),
    drop: 5,
  },
  { header: "DURATION", value: (s) => duration(s.duration_seconds), drop: 4 },
  {
    header: "STATUS",
    value: (s) => s.status,
    drop: 6,
    color: (s) => COLOR[s.status],
  },
  {
    header: "EXIT",
    value: (s) => s.signal ?? String(s.exit_code ?? "-"),
    drop: 3,
  },
];
