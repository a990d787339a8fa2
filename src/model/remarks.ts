/** What people say of a session: its notes, and the remarks of others on it. */
import {
  type Annotation,
  type Event,
  type JsonObject,
  isKind,
} from "./event.ts";
import { type Provenance, SPOOL, isAside, reporterOf } from "./reporter.ts";
import type { Session } from "./session.ts";
import type { SessionStore } from "./store.ts";

interface Said {
  reporter: string | null;
  /** UTC, ISO 8601, by the clock of the reporter. */
  timestamp: string;
  received_at: string;
}
export interface Note extends Said {
  note: string;
}
/** An annotation by another than the session's reporter, which changes nothing. */
export interface Remark
  extends Said, Pick<Annotation, "name" | "add_tags" | "remove_tags" | "note"> {
  metadata: JsonObject;
}

/** Somebody who looked at what its terminal showed. */
export interface Watch {
  watcher: string;
  /** From where; null at a terminal of its host. */
  address: string | null;
  start_time: string;
  /** null where it is not known, or not over. */
  end_time: string | null;
  /** Whose word it is; null: the server's, or its own host's. */
  said_by: string | null;
}

/** All that is said of a session. */
export interface Remarks {
  notes: readonly Note[];
  remarks: readonly Remark[];
  watches: readonly Watch[];
}

export const NO_REMARKS: Remarks = { notes: [], remarks: [], watches: [] };

const MAX_EACH = 100;

/** The newest of each on a session, newest last: what came late is not what was said late. */
export async function remarksOn(
  store: SessionStore,
  { session_id, reporter }: Session,
): Promise<{ notes: Note[]; remarks: Remark[]; watches: Watch[] }> {
  const notes: Note[] = [];
  const remarks: Remark[] = [];
  const watches = new Watches();
  const kinds = ["annotation", "watch_start", "watch_end"];
  for await (const stored of store.events({ session_id, kinds })) {
    const { event, provenance, received_at } = stored;
    watches.take(event, provenance);
    if (!isKind(event, "annotation")) continue;
    const { timestamp } = event;
    const said = { reporter: reporterOf(provenance), timestamp, received_at };
    if (isAside(event, provenance, reporter)) {
      insert(remarks, { ...said, ...contentOf(event) });
    } else if (typeof event.note === "string") {
      insert(notes, { ...said, note: event.note });
    }
  }
  return { notes, remarks, watches: watches.newest() };
}

/** Pairs who began to look and who ended it, each by the word of the same. */
class Watches {
  /** Those of the server and of its host; and those of others, who crowd out none. */
  private readonly own = new Map<string, Watch>();
  private readonly claimed = new Map<string, Watch>();

  take(event: Event, from: Provenance | null): void {
    const by = reporterOf(from);
    const isOwn = from?.acts_for_all === true || by === SPOOL.reporter;
    const all = isOwn ? this.own : this.claimed;
    if (isKind(event, "watch_end")) {
      const begun = all.get(`${event.of} ${by}`);
      if (begun) begun.end_time = event.timestamp;
    }
    if (!isKind(event, "watch_start")) return;
    const { event_id, timestamp: start_time, watcher, address } = event;
    const said_by = isOwn ? null : by;
    const watch = { watcher, address, start_time, end_time: null, said_by };
    all.set(`${event_id} ${by}`, watch);
    if (all.size > MAX_EACH) all.delete(all.keys().next().value!);
  }

  newest(): Watch[] {
    const at = ({ start_time }: Watch) => start_time;
    const all = [...this.own.values(), ...this.claimed.values()];
    return all.sort((a, b) => at(a).localeCompare(at(b)));
  }
}

function insert<T extends Said>(all: T[], one: T): void {
  const before = all.findLastIndex((other) => other.timestamp <= one.timestamp);
  all.splice(before + 1, 0, one);
  if (all.length > MAX_EACH) all.shift();
}

function contentOf({
  metadata = {},
  name,
  add_tags,
  remove_tags,
  note,
}: Annotation): Omit<Remark, keyof Said> {
  return {
    metadata,
    ...(name && { name }),
    ...(add_tags?.length && { add_tags }),
    ...(remove_tags?.length && { remove_tags }),
    ...(note && { note }),
  };
}
