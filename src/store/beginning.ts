/** Which id a session may begin under. */
import type { SessionStart } from "../model/event.ts";
import { type Provenance, mayReport } from "../model/reporter.ts";
import type { SessionSummary } from "../model/session.ts";

/**
 * Whether a start may have an id. Without a start there it may be its own, of which
 * an end has come first.
 * @param summary of the session of that id; null when nothing of it is known
 */
export function mayHave(
  { event_id }: SessionStart,
  summary: SessionSummary | null,
  from: Provenance,
): boolean {
  if (!mayReport(summary?.reporter ?? null, from)) return false;
  const begun = summary?.start_event_id ?? null;
  return begun === null || begun === event_id;
}
