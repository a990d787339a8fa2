/** Declares the end of a session that nobody saw end. */
import { EVENT_VERSION, type SessionEnd } from "../model/event.ts";
import { type Failure, Rejected, fail } from "../model/failure.ts";
import { findSession, noSession } from "../model/reference.ts";
import type { Session } from "../model/session.ts";
import type { SessionStore } from "../model/store.ts";

/**
 * @param force also of one that is active
 * @returns the session, and whether it had ended already: then nothing changes
 * @throws Failure (not_found, ambiguous, refused), or when it cannot be kept
 */
export async function endSession(
  store: SessionStore,
  reference: string,
  force: boolean,
): Promise<{ session_id: string; had_ended: boolean }> {
  const session = await findSession(store, reference);
  if (!session) throw noSession(reference, "try: session-buddy list-sessions");
  const { session_id, status, end_time } = session;
  if (status === "ended") return { session_id, had_ended: true };
  if (status === "active" && !force) throw isLive(session);
  const end: SessionEnd = {
    event_version: EVENT_VERSION,
    event_id: Bun.randomUUIDv7(),
    event_type: "session_end",
    session_id,
    // A lost one was last seen then: it did not last until somebody cleaned up.
    timestamp: end_time ?? new Date().toISOString(),
    ...{ end_source: "declared", exit_code: null, signal: null },
  };
  try {
    await store.append([end]);
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    throw fail.permission(
      `session '${session_id}' cannot be ended from here: ${error.reasons.get(end.event_id)}`,
      "who reported it may end it, root on the server's host, or a token of scope admin",
      { cause: error },
    );
  }
  return { session_id, had_ended: false };
}

function isLive({ session_id, hostname, pid, last_seen }: Session): Failure {
  return fail.refused(
    `session '${session_id}' is active on ${hostname} (pid ${pid}), last seen ${last_seen}`,
    "leave its shell, or end it in the records alone: --force",
  );
}
