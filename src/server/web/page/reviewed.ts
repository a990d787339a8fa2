/** Which of some sessions somebody has marked as reviewed, for lists of them. */
import { ask, useAnswer } from "./ask.ts";

type Rows = { rows: [id: string, reviewed: boolean][] };

const has = (tags: string) =>
  `contains(coalesce(event->>'${tags}', ''), '"reviewed"')`;

/** @returns null where there is nobody to ask about */
function sqlOf(ids: readonly string[]): string | null {
  const list = ids
    // No session of ours has such an id, and no query may have it.
    .filter((id) => !id.includes("\0"))
    .map((id) => `'${id.replaceAll("'", "''")}'`)
    .join(", ");
  if (list === "") return null;
  return `SELECT session_id, ${has("add_tags")} FROM events
    WHERE event_type = 'annotation' AND session_id IN (${list})
      AND (${has("add_tags")} OR ${has("remove_tags")}) ORDER BY seq`;
}

/** The last mark counts. */
function among({ rows }: Rows): Set<string> {
  const reviewed = new Set<string>();
  for (const [id, is] of rows)
    if (is) reviewed.add(id);
    else reviewed.delete(id);
  return reviewed;
}

/** @returns their ids, and again when that changes */
export function useReviewed(ids: readonly string[]): ReadonlySet<string> {
  const sql = sqlOf(ids);
  const args = sql === null ? null : { sql };
  const { data } = useAnswer<Rows>(
    ...(["query_sessions", args, true, 5_000] as const),
  );
  return among(data ?? { rows: [] });
}

/**
 * The same, once.
 * @throws Error with the server's sentence
 */
export async function reviewedAmong(
  ids: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const sql = sqlOf(ids);
  if (sql === null) return new Set();
  return among(await ask("query_sessions", { sql }, signal));
}
