/**
 * Takes the events of an export into the database: each once, with who brought it
 * there, redacted as all that comes in. By the process that has the database.
 */
import type { Brought, Imported } from "../model/export.ts";
import { lostEnd } from "../model/event.ts";
import { Rejected } from "../model/failure.ts";
import type { Choice } from "../model/redaction/custom.ts";
import { redactEvent } from "../model/redaction/event.ts";
import { SPOOL, type Provenance, reporterOf } from "../model/reporter.ts";
import type { KeptStore } from "../model/store.ts";

/** Where events are brought to. */
type Brings = Pick<KeptStore, "bring">;

export interface ImportRules {
  redaction: Choice;
  /** Sessions with files in the spool, which brings their events itself. */
  spooled: ReadonlySet<string>;
}

/** @returns what became of them, all committed */
export async function bringIn(
  store: Brings,
  events: readonly Brought[],
  { redaction, spooled }: ImportRules,
): Promise<Imported> {
  const done: Imported = {
    ...{ stored: 0, duplicates: 0, spooled: 0, rejected: 0, reason: null },
  };
  const ours = events.filter(({ event }) => !spooled.has(event.session_id));
  done.spooled = events.length - ours.length;
  const bare = ours.map(({ event, provenance }) => ({
    ...{ event: redactEvent(event, redaction), provenance },
  }));
  const { stored, rejected, reason } = await bringAll(store, bare);
  const duplicates = ours.length - stored - rejected;
  return { ...done, stored, rejected, reason, duplicates };
}

/**
 * Brings events as they are, all at once: the store commits them in their order, as
 * many together as it takes.
 * @returns what became of them, all committed
 */
export async function bringAll(
  store: Brings,
  events: readonly Brought[],
): Promise<Pick<Imported, "stored" | "rejected" | "reason">> {
  const done = { stored: 0, rejected: 0, reason: null as string | null };
  const runs = runsOf(events);
  const brought = await Promise.allSettled(
    runs.map(({ from, events }) =>
      store.bring(
        events.map(({ event }) => event),
        from,
      ),
    ),
  );
  for (const [n, result] of brought.entries()) {
    if (result.status === "fulfilled") {
      done.stored += result.value.size;
      continue;
    }
    const error: unknown = result.reason;
    if (!(error instanceof Rejected)) throw error;
    done.stored += error.stored.size;
    done.rejected += error.reasons.size;
    done.reason ??= firstOf(error.reasons, runs[n]!.events);
  }
  return done;
}

/**
 * Ends sessions that ran when the export was made, at their last sign of life: of a
 * wrapper there nobody here hears. A later import may bring their ends.
 * @returns how many
 */
export async function endImported(
  store: KeptStore,
  session_ids: readonly string[],
  { spooled }: ImportRules,
): Promise<number> {
  const ends = [];
  for (const session_id of session_ids) {
    if (spooled.has(session_id)) continue;
    const session = await store.get(session_id);
    const goesOn = session?.status === "active";
    if (goesOn && session.reporter === SPOOL.reporter)
      ends.push(lostEnd(session_id, session.last_seen));
  }
  if (ends.length > 0) await store.append(ends);
  return ends.length;
}

interface Run {
  from: Provenance | null;
  events: Brought[];
}

/** Events that one brought, one after the other, as far as no two share an id. */
function runsOf(events: readonly Brought[]): Run[] {
  const runs: (Run & { key: string; ids: Set<string> })[] = [];
  for (const one of events) {
    const key = JSON.stringify(one.provenance);
    const { event_id } = one.event;
    let run = runs.at(-1);
    if (run?.key !== key || run.ids.has(event_id))
      runs.push(
        (run = { from: one.provenance, events: [], key, ids: new Set() }),
      );
    run.ids.add(event_id);
    run.events.push(one);
  }
  return runs;
}

function firstOf(
  reasons: ReadonlyMap<string, string>,
  events: readonly Brought[],
): string {
  const [[event_id, reason] = ["", ""]] = reasons;
  const found = events.find(({ event }) => event.event_id === event_id);
  const by = reporterOf(found?.provenance ?? null) ?? "nobody";
  return `${found?.event.event_type} of ${found?.event.session_id}, reported by ${by}: ${reason}`;
}
