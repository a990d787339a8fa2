/** Remarks: the annotations of others on a session. */
import { type JsonObject, isKind } from "./event.ts";
import { isAside, reporterOf } from "./reporter.ts";
import type { Session } from "./session.ts";
import type { SessionStore } from "./store.ts";

export interface Remark {
  reporter: string | null;
  /** UTC, ISO 8601, by the clock of the reporter. */
  timestamp: string;
  received_at: string;
  metadata: JsonObject;
}

const MAX_REMARKS = 100;

/** The newest remarks of others on a session, newest last. */
export async function remarksOn(
  store: SessionStore,
  { session_id, reporter }: Session,
): Promise<Remark[]> {
  const remarks: Remark[] = [];
  const kinds = ["annotation"];
  for await (const stored of store.events({ session_id, kinds })) {
    const { event, provenance, received_at } = stored;
    if (!isKind(event, "annotation")) continue;
    if (!isAside(event, provenance, reporter)) continue;
    const { timestamp, metadata = {} } = event;
    const by = reporterOf(provenance);
    remarks.push({ reporter: by, timestamp, received_at, metadata });
    if (remarks.length > MAX_REMARKS) remarks.shift();
  }
  return remarks;
}
