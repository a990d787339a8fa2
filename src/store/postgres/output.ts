/**
 * What terminals showed, line by line, for searches: written piece by piece, from
 * recordings of sessions that have ended. Of each recording a row says how far that is;
 * it is locked while lines are added, and of which folder the recording is: others
 * look after theirs. Whoever removes the lines of a session removes
 * its row in the same transaction, and what is under way for it ends.
 */
import type { Redaction } from "../../model/event.ts";
import type {
  OutputLines,
  SearchedLine,
  SearchedRecording,
} from "../../model/recording/searched.ts";
import { MOST_BYTES, OUTGROWN, keptLines } from "../output-lines.ts";
import type { Connection, Pool } from "./connect.ts";
import { arrayOf, decoded, encoded, timeOf } from "./text.ts";

/** With the folder that it is in. */
type Placed = SearchedRecording & { place: string };
type Row = Omit<Placed, "began"> & { began: Date };

export class PostgresOutput implements OutputLines {
  /** @param place the folder of the recordings that this process looks after */
  constructor(
    private readonly pool: Pick<Pool, "ask" | "transaction">,
    private readonly place: string,
    private readonly most_bytes = MOST_BYTES,
  ) {}

  async recordings(): Promise<SearchedRecording[]> {
    const all = await recordingsIn(
      this.pool,
      "place = $1::text",
      encoded(this.place),
    );
    return all.map(({ place: _, ...recording }) => recording);
  }

  async ended(session_ids: readonly string[]): Promise<Map<string, string>> {
    const rows = await this.pool.ask<{ session_id: string; start_time: Date }>(
      ENDED,
      [arrayOf(session_ids.map(encoded))],
    );
    return new Map(
      rows.map((row) => [decoded(row.session_id), timeOf(row.start_time)]),
    );
  }

  async begin(
    recording: SearchedRecording,
    goes_on: boolean,
  ): Promise<number | null> {
    const { session_id } = recording;
    if (goes_on) {
      const [row] = await this.pool.ask<{ last: number }>(LAST_LINE, [
        encoded(session_id),
      ]);
      return row!.last;
    }
    return this.pool.transaction(async (tx) => {
      // It may have been archived since it was asked for; nobody does so meanwhile.
      const ids = arrayOf([encoded(session_id)]);
      if ((await tx.ask(`${ENDED} FOR SHARE`, [ids])).length === 0) return null;
      await deleteOutput(tx, [session_id]);
      await this.tell(tx, recording);
      return 0;
    });
  }

  add(
    session_id: string,
    first: number,
    began_ms: number,
    lines: readonly SearchedLine[],
  ): Promise<boolean> {
    return this.pool.transaction(async (tx) => {
      if (!(await isThere(tx, session_id, false))) return false;
      const removals = await removalsOf(tx, session_id);
      const kept = keptLines(lines, first, began_ms, removals);
      if (kept.length > 0)
        await tx.ask(ADD, [
          encoded(session_id),
          arrayOf(kept.map(({ number }) => number)),
          arrayOf(kept.map(({ moment }) => new Date(moment).toISOString())),
          arrayOf(kept.map(({ at_ms }) => at_ms)),
          arrayOf(kept.map(({ text }) => encoded(text))),
        ]);
      return true;
    });
  }

  finish(recording: SearchedRecording): Promise<boolean> {
    return this.pool.transaction(async (tx) => {
      if (!(await isThere(tx, recording.session_id, false))) return false;
      await this.tell(tx, recording);
      await this.boundAll(tx);
      return true;
    });
  }

  touched(recording: SearchedRecording): Promise<void> {
    return this.pool.transaction(async (tx) => {
      if (await isThere(tx, recording.session_id, true))
        await this.tell(tx, recording);
    });
  }

  remove(session_ids: readonly string[]): Promise<void> {
    return this.pool.transaction((tx) => deleteOutput(tx, session_ids));
  }

  requireRoom(): void {
    // Whoever runs the database sees to it.
  }

  private tell(tx: Connection, recording: SearchedRecording): Promise<void> {
    return tell(tx, { ...recording, place: this.place });
  }

  private async boundAll(tx: Connection): Promise<void> {
    const over = await tx.ask<{ session_id: string }>(TOO_OLD, [
      this.most_bytes,
    ]);
    if (over.length === 0) return;
    const ids = arrayOf(over.map(({ session_id }) => session_id));
    const among = "session_id = ANY($1::text[])";
    for (const recording of await recordingsIn(tx, among, ids)) {
      await deleteOutput(tx, [recording.session_id]);
      await tell(tx, {
        ...{ ...recording, lines: 0, text_bytes: 0 },
        left_out: OUTGROWN,
      });
    }
  }
}

/** Removes the lines of sessions, in the transaction of whoever removes more of them. */
export async function deleteOutput(
  tx: Connection,
  session_ids: readonly string[],
): Promise<void> {
  const ids = arrayOf(session_ids.map(encoded));
  // Its row first: whoever adds lines has it locked.
  for (const table of ["searched_recordings", "output"])
    await tx.ask(`DELETE FROM ${table} WHERE session_id = ANY($1::text[])`, [
      ids,
    ]);
}

async function recordingsIn(
  connection: Connection,
  which: string,
  value: string,
): Promise<Placed[]> {
  const rows = await connection.ask<Row>(`${RECORDINGS} WHERE ${which}`, [
    value,
  ]);
  return rows.map((row) => ({
    ...row,
    session_id: decoded(row.session_id),
    place: decoded(row.place),
    began: timeOf(row.began),
  }));
}

/** Whether its lines were not removed since. */
async function isThere(
  tx: Connection,
  session_id: string,
  done: boolean,
): Promise<boolean> {
  const values = [encoded(session_id), done];
  return (await tx.ask(LOCK, values)).length > 0;
}

async function removalsOf(
  tx: Connection,
  session_id: string,
): Promise<Redaction[]> {
  const rows = await tx.ask<{ payload: string }>(REDACTIONS, [
    encoded(session_id),
  ]);
  return rows.map(({ payload }) => JSON.parse(payload) as Redaction);
}

/** Says what there is of a recording, instead of what was said. */
async function tell(tx: Connection, row: Placed): Promise<void> {
  await tx.ask(TELL, [
    ...[encoded(row.session_id), row.began, row.bytes, row.changed, row.sha256],
    ...[row.lines, row.text_bytes, row.left_out, row.within_ms, row.done],
    ...[row.version, encoded(row.place)],
  ]);
}

const RECORDINGS = `SELECT session_id, began, bytes::float8, changed, sha256,
    lines, text_bytes::float8, left_out, within_ms, done, version, place
  FROM searched_recordings`;

const ENDED = `SELECT session_id, start_time FROM sessions
  WHERE session_id = ANY($1::text[]) AND start_time IS NOT NULL
    AND end_source IS NOT NULL`;

const LAST_LINE = `SELECT coalesce(max(number), 0) AS last FROM output
  WHERE session_id = $1::text`;

const LOCK = `SELECT 1 FROM searched_recordings
  WHERE session_id = $1::text AND done = $2::boolean FOR UPDATE`;

/** What this host says was removed, and no client. */
const REDACTIONS = `SELECT payload FROM events
  WHERE session_id = $1::text AND kind = 'redaction' AND provenance IS NULL`;

/** Two that read the same recording at once come to the same lines. */
const ADD = `INSERT INTO output
    (session_id, number, timestamp, recording_ms, text)
  SELECT $1::text, * FROM unnest($2::integer[], $3::timestamptz[],
    $4::bigint[], $5::text[]) ON CONFLICT DO NOTHING`;

const COLUMNS = `began, bytes, changed, sha256, lines, text_bytes, left_out,
  within_ms, done, version, place`;

const TELL = `INSERT INTO searched_recordings (session_id, ${COLUMNS})
  VALUES ($1::text, $2::text::timestamptz, $3::bigint, $4::text, $5::text,
    $6::integer, $7::bigint, $8::text, $9::integer, $10::boolean, $11::integer,
    $12::text)
  ON CONFLICT (session_id) DO UPDATE SET ${COLUMNS.split(/,\s*/)
    .map((name) => `${name} = excluded.${name}`)
    .join(", ")}`;

/** Recordings that are older than the newest with so many bytes of text. */
const TOO_OLD = `SELECT session_id FROM (
    SELECT session_id, text_bytes, sum(text_bytes) OVER (
      ORDER BY began DESC, session_id ROWS UNBOUNDED PRECEDING) AS bytes_since
    FROM searched_recordings WHERE text_bytes > 0) AS r
  WHERE bytes_since > $1::bigint`;
