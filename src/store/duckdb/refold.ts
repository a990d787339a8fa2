/**
 * Sessions folded anew from all their stored events, which are read as they come and
 * never all in memory: a session may have a hundred thousand commands.
 */
import { listValue } from "@duckdb/node-api";
import { apply, beginFold } from "../../model/fold.ts";
import type { State } from "../../model/state.ts";
import type { Database } from "./database.ts";
import { type BroughtRow, broughtOf, provenances } from "../rows.ts";
import { SQL } from "./statements.ts";

/** The first event of a kind that one has brought of a session. */
interface FirstRow {
  session_id: string;
  kind: string;
  provenance: string | null;
}

/** In the writer's turn. @returns the state of each of the sessions */
export async function foldAnew(
  db: Database,
  ids: ReadonlySet<string>,
): Promise<Map<string, State>> {
  const among = [listValue([...ids])];
  const firsts = await db.rows<FirstRow>(SQL.firstsOf, among);
  const of = Map.groupBy(firsts, ({ session_id }) => session_id);
  const read = provenances();
  const states = new Map<string, State>();
  for (const id of ids) {
    const brought = (of.get(id) ?? []).map(({ kind, provenance }) => ({
      event: { event_type: kind },
      from: read(provenance),
    }));
    states.set(id, beginFold(id, brought));
  }
  for await (const rows of db.chunks<BroughtRow>(SQL.eventsOf, among))
    for (const { event, from } of broughtOf(rows, read))
      apply(states.get(event.session_id)!, event, from);
  return states;
}
