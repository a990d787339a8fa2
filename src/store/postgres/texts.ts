/** The texts of stored events, for those that are removed: see StoredTexts. */
import type { Event, Redaction } from "../../model/event.ts";
import type { StoredTexts } from "../remove-texts.ts";
import type { Connection, Pool } from "./connect.ts";
import { deleteOutput } from "./output.ts";
import { foldAnew } from "./refold.ts";
import { readKnown, writeRows } from "./rows.ts";
import { arrayOf, encoded } from "./text.ts";
import { tellAnew } from "./told.ts";

/** Events that one statement reads, or changes. */
const PAGE = 2_048;
const FIRST = "00000000-0000-0000-0000-000000000000";

const EVENTS = `SELECT event_id::text AS event_id, payload FROM events
  WHERE session_id = $1::text AND event_id > $2::text::uuid
  ORDER BY event_id LIMIT ${PAGE}`;
const REPLACE = `UPDATE events AS e SET payload = x.payload
  FROM unnest($2::uuid[], $3::text[]) AS x (event_id, payload)
  WHERE e.session_id = $1::text AND e.event_id = x.event_id`;
const REMOVALS = `SELECT e.payload FROM events AS e
  JOIN batches AS b ON b.batch = e.batch
  WHERE e.session_id = $1::text AND e.kind = 'redaction' AND e.provenance IS NULL
  ORDER BY b.arrival, e.ordinal`;

export interface TextParts {
  reads: Connection;
  /** Tried again where others change the same session. */
  transaction: Pool["transaction"];
  append(events: readonly Event[]): Promise<unknown>;
  locks: boolean;
}

export class DatabaseTexts implements StoredTexts {
  constructor(private readonly parts: TextParts) {}

  async removals(session_id: string): Promise<readonly Redaction[]> {
    const rows = await this.parts.reads.ask<{ payload: string }>(REMOVALS, [
      encoded(session_id),
    ]);
    return rows.map(({ payload }) => JSON.parse(payload) as Redaction);
  }

  each(session_id: string, use: (event: Event) => void): Promise<void> {
    return eachPage(this.parts.reads, session_id, async (page) => {
      for (const { event } of page) use(event);
    });
  }

  replace(session_id: string, by: (event: Event) => Event): Promise<void> {
    const { locks } = this.parts;
    return this.parts.transaction(async (tx) => {
      const known = await readKnown(tx, [session_id], locks);
      await eachPage(tx, session_id, async (page) => {
        const changed = page.flatMap(({ event_id, event }) => {
          const other = by(event);
          return other === event
            ? []
            : [{ event_id, payload: JSON.stringify(other) }];
        });
        if (changed.length > 0)
          await tx.ask(REPLACE, [
            encoded(session_id),
            arrayOf(changed.map(({ event_id }) => event_id)),
            arrayOf(changed.map(({ payload }) => payload)),
          ]);
      });
      await tellAnew(tx, session_id);
      // Where in them a text stands that was typed nobody can tell.
      await deleteOutput(tx, [session_id]);
      const row = known.get(session_id);
      if (!row) return;
      const states = await foldAnew(tx, new Set([session_id]));
      const folded = states.get(session_id)!;
      const unchanged = { alive: false, said_gone: false };
      await writeRows(
        tx,
        [{ state: folded, version: row.version, ...unchanged }],
        // Nobody has heard of it.
        { clock_ms: 0, server: 0 },
      );
    });
  }

  /** Each commit looks for what was removed of its sessions. */
  async say(redaction: Redaction): Promise<void> {
    await this.parts.append([redaction]);
  }

  removeOutput(session_id: string): Promise<void> {
    return this.parts.transaction((tx) => deleteOutput(tx, [session_id]));
  }
}

async function eachPage(
  connection: Connection,
  session_id: string,
  use: (page: { event_id: string; event: Event }[]) => Promise<void>,
): Promise<void> {
  for (let after = FIRST; ;) {
    const rows = await connection.ask<{ event_id: string; payload: string }>(
      EVENTS,
      [encoded(session_id), after],
    );
    await use(
      rows.map(({ event_id, payload }) => ({
        ...{ event_id, event: JSON.parse(payload) as Event },
      })),
    );
    if (rows.length < PAGE) return;
    after = rows.at(-1)!.event_id;
  }
}
