/**
 * Where no server runs, a command that has the database open brings the lines of
 * recordings into it: for a while, and the next one goes on.
 */
import { redactionOf, type Settings, recordingsRoot } from "../config/load.ts";
import { Failure, type Warn } from "../model/failure.ts";
import { recordingsFolder } from "../model/recording/place.ts";
import type { KeptStore } from "../model/store.ts";
import { isMissing } from "../os/file.ts";

/**
 * `first`: what it answers looks through them, or somebody asked for it · `after`: it has
 * answered · `never`: it has a copy, which is thrown away.
 */
export type SearchesOutput = "first" | "after" | "never";

/** How long it may begin with one more; a command waits for another for five seconds. */
const BEGINS_MS = { first: 1_500, after: 50 };
/** Of one, at most so much is read, of work; the rest is for a server. */
const WITHIN_MS = 3_000;
/** A larger recording may take longer than anybody notices. */
const SMALL_BYTES = 64 * 1024;

/** Trouble with it is no trouble of the command's. */
export async function searchAlone(
  settings: Settings,
  store: KeptStore,
  when: keyof typeof BEGINS_MS,
  warn: Warn,
): Promise<void> {
  const until = performance.now() + BEGINS_MS[when];
  // Each command takes one, however long it took to look.
  let begun = 0;
  const most_bytes = when === "first" ? Infinity : SMALL_BYTES;
  try {
    if (await isNothing(settings, store)) return;
    // It has the rules and a terminal in it: whoever has no recordings waits for none.
    const { searchRecordings } = await import("./searched-recordings.ts");
    const { left } = await searchRecordings({
      data: recordingsRoot(settings),
      lines: store.output,
      redaction: redactionOf(settings),
      // Doctor tells of them.
      leftOut: () => {},
      within_ms: WITHIN_MS,
      begins: (bytes) =>
        bytes <= most_bytes && (begun++ === 0 || performance.now() < until),
      // Others wait for the database: the next command goes on from there.
      goesOn: () => performance.now() < until + WITHIN_MS,
    });
    if (left > 0 && when === "first")
      warn(
        `what ${left} recorded terminal${left === 1 ? "" : "s"} showed is not looked through yet: session-buddy drain goes on with that`,
      );
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    // Whoever looks through them is told.
    if (when === "first")
      warn(`recorded terminals are not looked through: ${error.message}`);
  }
}

/** Nothing is recorded here, and nothing of what was is in the database. */
async function isNothing(
  settings: Settings,
  { output }: KeptStore,
): Promise<boolean> {
  return (
    isMissing(recordingsFolder(recordingsRoot(settings))) &&
    (await output.recordings()).length === 0
  );
}
