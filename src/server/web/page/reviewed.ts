/** Which of some sessions somebody has marked as reviewed, for lists of them. */
import { useAnswer } from "./ask.ts";

const has = (tags: string) =>
  `contains(coalesce(event->>'${tags}', ''), '"reviewed"')`;

/** @returns their ids */
export function useReviewed(ids: readonly string[]): ReadonlySet<string> {
  const list = ids.map((id) => `'${id.replaceAll("'", "''")}'`).join(", ");
  const sql = `SELECT session_id, ${has("add_tags")} FROM events
    WHERE event_type = 'annotation' AND session_id IN (${list})
      AND (${has("add_tags")} OR ${has("remove_tags")}) ORDER BY seq`;
  const args = ids.length > 0 ? { sql } : null;
  const { data } = useAnswer<{ rows: [id: string, reviewed: boolean][] }>(
    ...(["query_sessions", args, true, 5_000] as const),
  );
  const reviewed = new Set<string>();
  for (const [id, is] of data?.rows ?? [])
    if (is) reviewed.add(id);
    else reviewed.delete(id);
  return reviewed;
}
