/** Follows the recording of a session that runs, until it is over. */
import { LiveScreen, type Moment } from "../model/recording/live.ts";
import { Turns } from "../os/turns.ts";
import type { OpenRecording } from "./recordings.ts";

/** The recorder writes each 200 ms. */
const LOOK_MS = 100;
/** How often it is asked whether the session is over. */
const ASK_MS = 1_000;
/** So long it reads before others have their turn. */
const SLICE_MS = 5;
/** All who read recordings in this process have one at a time. */
export const readingTurns = new Turns();

/** How it ended: in words, and with which exit status if it has one. */
export interface Ending {
  why: string;
  exit_code: number | null;
}

export const without = (why: string): Ending => ({ why, exit_code: null });

/** A recording, and who takes what comes. */
export interface Followed {
  recording: OpenRecording;
  live: LiveScreen;
  /** Asked now and then: how the session ended; null while it runs. */
  over(): Promise<Ending | null>;
  take(moment: Moment): void;
}

/**
 * Reads what comes, a little at each step.
 * @yields whether that is all that is there
 * @returns why nothing more comes
 */
export async function* followRecording({
  recording,
  live,
  over,
  take,
}: Followed): AsyncGenerator<boolean, Ending> {
  let asked_at = performance.now();
  for (;;) {
    if (!recording.grow()) return without("its recording was removed");
    yield* read(live, take);
    yield true;
    if (performance.now() - asked_at >= ASK_MS) {
      asked_at = performance.now();
      const ending = await over();
      if (ending) {
        // What came between the last look and the end.
        if (recording.grow()) yield* read(live, take);
        return ending;
      }
    }
    await Bun.sleep(LOOK_MS);
  }
}

async function* read(
  live: LiveScreen,
  take: (moment: Moment) => void,
): AsyncGenerator<boolean> {
  let began = performance.now();
  for (const moment of live.advance()) {
    take(moment);
    if (performance.now() - began < SLICE_MS) continue;
    await readingTurns.next();
    yield false;
    began = performance.now();
  }
}
