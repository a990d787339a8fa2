/** How many sessions are active and lost; nobody knows while the database is away. */
import { Failure } from "../model/failure.ts";
import type { SessionStore } from "../model/store.ts";

/** @param file throws while there is none */
export async function sessionCounts(file: () => Pick<SessionStore, "stats">) {
  try {
    const active = await file().stats({ status: "active" });
    const lost = await file().stats({ status: "lost" });
    const by = active.by_component;
    return {
      active_sessions: new Map(by.map((c) => [c.component_name, c.sessions])),
      lost_sessions: lost.sessions,
    };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { active_sessions: null, lost_sessions: null };
  }
}
