/**
 * Sessions folded anew from all their stored events, in the order of their arrival,
 * which are read as they come: a session may have a hundred thousand commands.
 */
import { apply, beginFold } from "../../model/fold.ts";
import type { State } from "../../model/state.ts";
import { type BroughtRow, broughtOf, provenances } from "../rows.ts";
import type { Connection } from "./connect.ts";
import { arrayOf, decoded } from "./text.ts";

/** The first event of a kind that one has brought of a session. */
interface FirstRow {
  session_id: string;
  kind: string;
  provenance: string | null;
}

const FIRSTS = `SELECT session_id, kind, provenance FROM (
    SELECT DISTINCT ON (e.session_id, e.kind, e.provenance)
      e.session_id, e.kind, e.provenance, b.arrival, e.ordinal
    FROM events AS e JOIN batches AS b ON b.batch = e.batch
    WHERE e.session_id = ANY($1::text[])
    ORDER BY e.session_id, e.kind, e.provenance, b.arrival, e.ordinal) AS firsts
  ORDER BY arrival, ordinal`;

const ALL = `DECLARE refold NO SCROLL CURSOR FOR
  SELECT e.payload, e.provenance
  FROM events AS e JOIN batches AS b ON b.batch = e.batch
  WHERE e.session_id = ANY($1::text[]) ORDER BY b.arrival, e.ordinal`;

const PAGE = 2_048;

/** In a transaction. @returns the state of each of the sessions */
export async function foldAnew(
  tx: Connection,
  ids: ReadonlySet<string>,
): Promise<Map<string, State>> {
  const states = new Map<string, State>();
  if (ids.size === 0) return states;
  const among = [arrayOf([...ids])];
  const firsts = await tx.ask<FirstRow>(FIRSTS, among);
  const of = Map.groupBy(firsts, ({ session_id }) => session_id);
  const read = provenances();
  for (const id of ids) {
    const brought = (of.get(id) ?? []).map(({ kind, provenance }) => ({
      event: { event_type: decoded(kind) },
      from: read(provenance),
    }));
    states.set(id, beginFold(id, brought));
  }
  await tx.ask(ALL, among);
  for (;;) {
    const rows = await tx.ask<BroughtRow>(`FETCH ${PAGE} FROM refold`);
    for (const { event, from } of broughtOf(rows, read))
      apply(states.get(event.session_id)!, event, from);
    if (rows.length < PAGE) break;
  }
  await tx.ask("CLOSE refold");
  return states;
}
