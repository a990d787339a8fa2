/** Checks whether the destinations of `export_to` have what is stored. */
import { lockPath, runningServer } from "../access/claim.ts";
import { withDocuments } from "../access/open-store.ts";
import { withStore } from "../access/open.ts";
import type { Settings } from "../config/load.ts";
import { fail } from "../model/failure.ts";
import { type Progress, readProgress } from "../forward/position.ts";
import type { Check } from "./check.ts";

/** Under way is what arrived a moment ago. */
const MOMENT_SECONDS = 30;
const QUERY_MS = 30_000;

export const exportChecks = (settings: Settings): Check[] =>
  Object.keys(settings.export_to).map((name) => ({
    name: `export_${name.replaceAll("-", "_")}`,
    look: () => look(settings, name),
  }));

async function look(settings: Settings, name: string): Promise<string> {
  const read = await progressOf(settings, name);
  if (read?.damaged)
    throw fail.storage(
      `how far it has got cannot be read: ${read.damaged}`,
      "the server writes it anew, and delivers everything once more",
    );
  const progress = read?.progress;
  const serves = runningServer(lockPath(settings)) !== null;
  const { events, age_seconds } = await behind(settings, progress);
  const last = progress?.delivered_at ?? null;
  const so_far =
    last === null ? "nothing was delivered yet" : `last delivered at ${last}`;
  const wait = `${events} events wait, the oldest for ${Math.round(age_seconds)} s`;
  if (serves && progress?.failing_since)
    throw fail.unreachable(
      `${wait}; it fails since ${progress.failing_since}: ${progress.last_error}`,
      "mend it there; what waits is delivered then, in order",
    );
  if (events === 0) return `everything is delivered; ${so_far}`;
  if (!serves)
    throw fail.unhealthy(
      `${wait}, and no server runs that would deliver them; ${so_far}`,
      "try: session-buddy mcp start --detach",
    );
  if (age_seconds < MOMENT_SECONDS)
    return `${events} events are on their way; ${so_far}`;
  if (progress === undefined)
    throw fail.unhealthy(
      `${wait}; the server that runs does not know this destination`,
      "try: session-buddy mcp restart",
    );
  return `${wait}; ${so_far}`;
}

/**
 * Refuses to take what a destination still lacks out of the database.
 * @param ended_before of the sessions that are to go, UTC ISO 8601
 * @throws Failure (unhealthy) naming the destination
 */
export async function requireDelivered(
  settings: Settings,
  ended_before: string,
): Promise<void> {
  const going = `AND session_id IN (SELECT session_id FROM sessions
    WHERE end_time < '${ended_before.slice(0, -1)}'::TIMESTAMP)`;
  for (const name of Object.keys(settings.export_to)) {
    const read = await progressOf(settings, name);
    const { events } = await behind(settings, read?.progress, going);
    if (events > 0)
      throw fail.unhealthy(
        `${events} events of these sessions are not delivered to '${name}' yet`,
        "see what it waits for: session-buddy doctor; or take it out of export_to",
      );
  }
}

const progressOf = (settings: Settings, name: string) =>
  withDocuments(settings, "exported", ([documents]) =>
    readProgress(documents!, name),
  );

/** What is stored after its place. */
async function behind(
  settings: Settings,
  progress: Progress | undefined,
  of = "",
) {
  const { seq } = progress?.place ?? { seq: 0 };
  const sql = `SELECT count(*)::FLOAT8, coalesce(greatest(0,
      extract(epoch FROM now()) - extract(epoch FROM min(received_at))), 0)::FLOAT8
    FROM events WHERE seq > ${seq} ${of}`;
  const request = { sql, timeout_ms: QUERY_MS };
  const [row] = await withStore(
    settings,
    () => {},
    async (store) => {
      const { rows } = await store.query(request);
      return Array.fromAsync(rows);
    },
  );
  return { events: Number(row![0]), age_seconds: Number(row![1]) };
}
