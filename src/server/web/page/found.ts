/** Lists that a tool answers a page at a time: more on request, and without what was reviewed. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "./ask.ts";
import { reviewedAmong } from "./reviewed.ts";

export interface Found<T> {
  rows: readonly T[] | null;
  error: string | null;
  waiting: boolean;
  /** Fetches more; null where there is no more. */
  more: (() => void) | null;
}

type Page = Record<string, unknown> & { next_cursor: string | null };

/** Pages that are asked for at once where most of their rows have been reviewed. */
const PAGES_MAX = 20;

/**
 * @param field of the answer, where its rows are
 * @param args null to ask nothing
 * @param unreviewed whether rows of sessions that somebody has reviewed are left out
 */
export function useFound<T extends { session_id: string }>(
  tool: string,
  field: string,
  args: (object & { limit: number }) | null,
  unreviewed: boolean,
): Found<T> {
  const [found, setFound] = useState<{
    rows: T[] | null;
    cursor: string | null;
    error: string | null;
    waiting: boolean;
  }>(NOTHING);
  const gone = useRef(new AbortController());
  const key = JSON.stringify([tool, args, unreviewed]);
  const fetchOn = async (rows: T[], from: string | null) => {
    const { signal } = gone.current;
    setFound((old) => ({ ...old, waiting: true }));
    try {
      const all = [...rows];
      let cursor = from;
      for (let n = 0; n < PAGES_MAX; n++) {
        const asked = { ...args, ...(cursor !== null && { cursor }) };
        const page: Page = await ask(tool, asked, signal);
        const some = page[field] as T[];
        const reviewed = unreviewed
          ? await reviewedAmong(
              [...new Set(some.map(({ session_id }) => session_id))],
              signal,
            )
          : null;
        all.push(...some.filter((row) => !reviewed?.has(row.session_id)));
        cursor = page.next_cursor;
        if (cursor === null || all.length - rows.length >= args!.limit) break;
      }
      setFound({ rows: all, cursor, error: null, waiting: false });
    } catch (error) {
      if (signal.aborted) return;
      const { message } = error as Error;
      setFound((old) => ({ ...old, error: message, waiting: false }));
    }
  };
  useEffect(() => {
    gone.current = new AbortController();
    if (args === null) setFound(NOTHING);
    else {
      setFound({ ...NOTHING, waiting: true });
      void fetchOn([], null);
    }
    return () => gone.current.abort();
  }, [key]);
  const { rows, cursor, error, waiting } = found;
  const more =
    cursor === null || waiting ? null : () => void fetchOn(rows!, cursor);
  return { rows, error, waiting, more };
}

const NOTHING = { rows: null, cursor: null, error: null, waiting: false };
