/**
 * Compares two databases after a move: each event of the one is in the other, in the
 * same order and brought by the same, and each session's row there is the fold of its
 * events. Range by range, so that no more than a range is in memory.
 */
import type { Contents, WholeSession } from "../model/contents.ts";
import { isKind } from "../model/event.ts";
import type { Brought } from "../model/export.ts";
import { fail } from "../model/failure.ts";
import { foldBrought } from "../model/fold.ts";
import type { Steps } from "../model/progress.ts";
import { RemovedTexts } from "../model/redaction/removal.ts";
import { settle } from "../model/session.ts";

const RANGE_EVENTS = 32_768;
const BREATH_SESSIONS = 64;

export interface Compared {
  sessions: number;
  events: number;
  /** Events of those sessions that the other one has besides. */
  more: number;
  /** Rows of the first one that were not what their events come to. */
  odd: number;
  /** Of all events with who brought them, session by session; the same on both sides. */
  sha256: string;
}

/**
 * @param from what was moved
 * @param to where it was moved to
 * @param rejected why events were not taken there that it did not have; null of none
 * @throws Failure (storage) naming the first session that is not the same there
 */
export async function compare(
  from: Contents,
  to: Contents,
  steps: Steps,
  rejected: string | null = null,
): Promise<Compared> {
  const sums = [new Bun.CryptoHasher("sha256"), new Bun.CryptoHasher("sha256")];
  const done = { sessions: 0, events: 0, more: 0, odd: 0 };
  const ranges = await from.ranges(RANGE_EVENTS);
  for (const [n, range] of ranges.entries()) {
    steps.at(`comparing ${done.sessions} sessions`, n / ranges.length);
    const wanted = await from.wholes(range);
    // Between them it may have any number of other hosts' sessions.
    const ids = wanted.map(({ session_id }) => session_id);
    const there = new Map(
      (await to.wholes(ids)).map((whole) => [whole.session_id, whole]),
    );
    for (const whole of wanted) {
      // The process answers signals meanwhile.
      if (done.sessions++ % BREATH_SESSIONS === 0) await Bun.sleep(0);
      const found = there.get(whole.session_id);
      const pairs = pairsOf(whole, found, rejected);
      for (const pair of pairs)
        for (const [side, text] of pair.entries())
          sums[side]!.update(`${text}\n`);
      done.events += pairs.length;
      done.more += found!.events.length - pairs.length;
      if (!isFold(found!)) throw different(whole, "its row is not their fold");
      if (!isFold(whole)) done.odd++;
    }
  }
  const [sha256, theirs] = sums.map((sum) => sum.digest("hex"));
  if (sha256 !== theirs)
    throw fail.storage(
      `what was moved has the sum ${theirs}, and not ${sha256}`,
      "keep the source; run the same command again",
    );
  return { ...done, sha256: sha256! };
}

/** @returns each event of a session, as it is on both sides */
function pairsOf(
  { session_id, events }: WholeSession,
  found: WholeSession | undefined,
  rejected: string | null,
): [string, string][] {
  const there = new Map(
    found?.events.map((one, n) => [one.event.event_id, { one, n }]),
  );
  const removed = new RemovedTexts();
  for (const { event, provenance } of found?.events ?? [])
    if (provenance === null && isKind(event, "redaction")) removed.add(event);
  const whole = { session_id, events, row: null };
  let last = -1;
  return events.map(({ event, provenance }): [string, string] => {
    const same = there.get(event.event_id);
    if (!same)
      throw different(
        whole,
        `event ${event.event_id} is missing${rejected === null ? "" : `; the first that was rejected: ${rejected}`}`,
      );
    // What came from elsewhere may have been there first.
    if (same.n < last && events.length === there.size)
      throw different(whole, `event ${event.event_id} is in another place`);
    last = same.n;
    // Its texts may have been removed there.
    const wanted = textOf({ event: removed.applied(event), provenance });
    const text = textOf(same.one);
    if (text !== wanted)
      throw different(whole, `event ${event.event_id} is another`);
    return [wanted, text];
  });
}

const textOf = ({ event, provenance }: Brought): string =>
  JSON.stringify([event, provenance]);

function isFold({ session_id, row, events }: WholeSession): boolean {
  const brought = events.map(({ event, provenance }) => ({
    ...{ event, from: provenance },
  }));
  return Bun.deepEquals(
    plain(settle(foldBrought(session_id, brought))),
    plain(row),
  );
}

/** By JSON: a map without a prototype is as good as one with. */
const plain = (value: object | null) =>
  JSON.parse(JSON.stringify(value)) as unknown;

const different = ({ session_id }: WholeSession, what: string) =>
  fail.storage(
    `${session_id} is not the same after the move: ${what}`,
    "keep the source; run the same command again",
  );
