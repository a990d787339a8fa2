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
  /** Whose word it is; null: the server's, or the session's own host's. */
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
  const watches = new Watches(reporter);
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
  private readonly all = new Map<string, Watch>();

  /** @param owner the session's reporter */
  constructor(private readonly owner: string | null) {}

  take(event: Event, from: Provenance | null): void {
    const by = reporterOf(from);
    if (isKind(event, "watch_end")) {
      const begun = this.all.get(`${event.of} ${by}`);
      if (begun) begun.end_time = event.timestamp;
    }
    if (!isKind(event, "watch_start")) return;
    const { event_id, timestamp: start_time, watcher, address } = event;
    const own =
      by === this.owner || from?.acts_for_all || by === SPOOL.reporter;
    const said_by = own ? null : by;
    const watch = { watcher, address, start_time, end_time: null, said_by };
    this.all.set(`${event_id} ${by}`, watch);
    if (this.all.size > MAX_EACH)
      this.all.delete(this.all.keys().next().value!);
  }

  newest(): Watch[] {
    const at = ({ start_time }: Watch) => start_time;
    return [...this.all.values()].sort((a, b) => at(a).localeCompare(at(b)));
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
