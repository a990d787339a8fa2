/** The columns of a table of sessions: those that have a header, in their places. */
import {
  COLUMNS,
  type Column as SessionColumn,
  type Session,
  type Status,
} from "../model/columns.ts";
import type { Zone } from "../model/clock.ts";
import { duration, localTime } from "./format.ts";
import type { Column } from "./table.ts";

const COLOR: Record<Status, string> = {
  active: "\x1b[32m",
  ended: "",
  lost: "\x1b[33m",
};

export const SESSION_COLUMNS: readonly Column<Session>[] =
  Object.entries<SessionColumn>(COLUMNS)
    .flatMap(([name, { type, table }]) =>
      table ? [{ ...table, name: name as keyof Session, type }] : [],
    )
    .sort((a, b) => a.place - b.place)
    .map(({ name, type, rather = name, ...shown }) => ({
      ...shown,
      value: (session: Session, zone: Zone) => {
        const value = session[rather] ?? session[name];
        if (type === "time") return localTime(String(value), zone);
        if (type === "seconds") return duration(Number(value));
        return String(value ?? "-");
      },
      ...(name === "status" && {
        color: ({ status }: Session) => COLOR[status],
      }),
    }));
