/** What people say of a session: its notes, and the remarks of others on it. */
import { type Annotation, type JsonObject, isKind } from "./event.ts";
import { isAside, reporterOf } from "./reporter.ts";
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

/** All that is said of a session. */
export interface Remarks {
  notes: readonly Note[];
  remarks: readonly Remark[];
}

export const NO_REMARKS: Remarks = { notes: [], remarks: [] };

const MAX_EACH = 100;

/** The newest of each on a session, newest last: what came late is not what was said late. */
export async function remarksOn(
  store: SessionStore,
  { session_id, reporter }: Session,
): Promise<{ notes: Note[]; remarks: Remark[] }> {
  const notes: Note[] = [];
  const remarks: Remark[] = [];
  const kinds = ["annotation"];
  for await (const stored of store.events({ session_id, kinds })) {
    const { event, provenance, received_at } = stored;
    if (!isKind(event, "annotation")) continue;
    const { timestamp } = event;
    const said = { reporter: reporterOf(provenance), timestamp, received_at };
    if (isAside(event, provenance, reporter)) {
      insert(remarks, { ...said, ...contentOf(event) });
    } else if (typeof event.note === "string") {
      insert(notes, { ...said, note: event.note });
    }
  }
  return { notes, remarks };
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
