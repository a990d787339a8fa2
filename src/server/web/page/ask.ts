/** Asks the server's tools, once and again when something was stored. */
import { useEffect, useState } from "preact/hooks";
import { posted } from "./access.ts";
import { news } from "./live.ts";

/** @throws Error with the server's sentence */
export const ask = <T>(
  tool: string,
  args: object,
  signal?: AbortSignal,
): Promise<T> => posted<T>("/web/call", { tool, arguments: args }, signal);

export interface Answer<T> {
  data: T | null;
  error: string | null;
  /** Whether another is on its way; the last one is shown meanwhile. */
  waiting: boolean;
}

/** Where much is stored, it is not asked more often. */
const LEAST_MS = 1_000;

/**
 * What a tool answers.
 * @param args null to ask nothing
 * @param follow true to ask again when something was stored; a number, when it changes
 * @param least_ms between two of those questions
 */
export function useAnswer<T>(
  tool: string,
  args: object | null,
  follow: boolean | number = false,
  least_ms = LEAST_MS,
): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>(NOTHING);
  const key = JSON.stringify(args);
  useEffect(() => {
    if (args === null) return setAnswer(NOTHING);
    setAnswer((old) => ({ ...old, waiting: true }));
    return repeat(
      async (gone) => {
        try {
          const data = await ask<T>(tool, args, gone);
          setAnswer({ data, error: null, waiting: false });
        } catch (error) {
          const { message } = error as Error;
          if (!gone.aborted)
            setAnswer({ data: null, error: message, waiting: false });
        }
      },
      follow === true,
      least_ms,
    );
  }, [tool, key, follow]);
  return answer;
}

/**
 * Runs something now, and again after news: never while it runs, for on a busy server
 * none would come to its end, and not sooner than after a while.
 * @returns ends it
 */
function repeat(
  run: (gone: AbortSignal) => Promise<void>,
  follow: boolean,
  least_ms: number,
): () => void {
  const gone = new AbortController();
  let state: "runs" | "pauses" | "waits" = "waits";
  let wanted = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const begin = async () => {
    state = "runs";
    wanted = false;
    await run(gone.signal);
    if (gone.signal.aborted) return;
    state = "pauses";
    timer = setTimeout(() => {
      state = "waits";
      if (wanted) void begin();
    }, least_ms);
  };
  void begin();
  const told = news.value;
  const deaf = follow
    ? news.subscribe((seq) => {
        if (seq === told && !wanted) return;
        wanted = true;
        if (state === "waits") void begin();
      })
    : () => {};
  return () => {
    gone.abort();
    clearTimeout(timer);
    deaf();
  };
}

const NOTHING = { data: null, error: null, waiting: false };
