/** Reads what is known of a session that is not in memory. */
import { listValue } from "@duckdb/node-api";
import { ownerOf } from "../../model/reporter.ts";
import {
  ARCHIVED,
  type SessionSummary,
  summaryOf,
} from "../../model/session.ts";
import { parseState } from "../../model/state.ts";
import type { Database } from "./database.ts";
import type { OpenState } from "./folds.ts";
import { closedAmong } from "./session-tables.ts";
import { SQL } from "./statements.ts";
import type { Tombstones } from "./tombstones.ts";

/** @returns null when nothing of it is stored */
export async function readSummary(
  ask: Database["ask"],
  tombstones: Tombstones,
  session_id: string,
): Promise<SessionSummary | null> {
  const [open] = await ask<OpenState>(SQL.openStates, [
    listValue([session_id]),
  ]);
  if (open) return summaryOf(parseState(open.state, open));
  const [closed] = await closedAmong(ask, [session_id]);
  if (!closed) return (await tombstones.has(session_id)) ? ARCHIVED : null;
  const [start] = await ask<{ id: string }>(SQL.startOf, [
    session_id,
    closed.start_time,
  ]);
  const ended = closed.end_source !== "recovered";
  return {
    start_event_id: start?.id ?? null,
    ended,
    reporter: ownerOf(closed.reporter, ended),
  };
}
