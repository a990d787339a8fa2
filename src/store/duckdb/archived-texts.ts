/**
 * Removes texts from an archive: its Parquet files are written beside, without them,
 * and renamed one after the other. Killed in between, the next time finishes it: each
 * file is judged by itself.
 */
import { chmodSync, renameSync } from "node:fs";
import { type DuckDBConnection, listValue } from "@duckdb/node-api";
import { isoTime } from "../../model/clock.ts";
import { type Event, isKind } from "../../model/event.ts";
import { fail } from "../../model/failure.ts";
import { foldBrought } from "../../model/fold.ts";
import { metadataJson } from "../../model/metadata.ts";
import { removesRecording } from "../../model/recording/promise.ts";
import {
  type RemovalRequest,
  recordingRemoval,
  redactionOf,
  withoutTexts,
} from "../../model/redaction/removal.ts";
import { type SessionRow, settle } from "../../model/session.ts";
import { sync } from "../../os/copy.ts";
import { NewFile } from "../../os/place.ts";
import { OpenFolder } from "../../os/scratch.ts";
import { requireTrustedFile } from "../../os/trust.ts";
import { EVENTS_FILE, SESSIONS_FILE } from "../archive-folder.ts";
import { withFile } from "./connection.ts";
import { quoted } from "./copy.ts";
import { broughtOf } from "../rows.ts";

interface EventRow {
  /** A BIGINT, as text. */
  seq: string;
  payload: string;
  provenance: string | null;
}

/** Columns of a session that people's words come into, of all versions. */
const TEXT_COLUMNS = [
  ...["name", "reason", "tags", "metadata"],
  ...["last_note", "last_command"],
] as const satisfies readonly (keyof SessionRow)[];

/**
 * @param folder of the archive, whose files nobody else may change
 * @returns how many events lost their texts; null when the session is not in it
 * @throws Failure when a file cannot be read or written
 */
export async function removeArchived(
  folder: string,
  request: RemovalRequest,
): Promise<number | null> {
  for (const file of [EVENTS_FILE, SESSIONS_FILE])
    requireTrustedFile(`${folder}/${file}`);
  using made = new OpenFolder(folder);
  return withFile(":memory:", "READ_WRITE", (connection) =>
    new ArchivedTexts(connection, folder, made).remove(request),
  );
}

/** The events of a session in an archive; none when it is not in it. */
export async function archivedEvents(
  folder: string,
  session_id: string,
): Promise<Event[]> {
  for (const file of [EVENTS_FILE, SESSIONS_FILE])
    requireTrustedFile(`${folder}/${file}`);
  using made = new OpenFolder(folder);
  return withFile(":memory:", "READ_WRITE", async (connection) => {
    const archive = new ArchivedTexts(connection, folder, made);
    const rows = await archive.eventsOf(session_id);
    return broughtOf(rows).map(({ event }) => event);
  });
}

class ArchivedTexts {
  private readonly events: string;
  private readonly sessions: string;

  constructor(
    private readonly connection: DuckDBConnection,
    private readonly folder: string,
    private readonly made: OpenFolder,
  ) {
    this.events = `read_parquet(${quoted(made.at(EVENTS_FILE))})`;
    this.sessions = `read_parquet(${quoted(made.at(SESSIONS_FILE))})`;
  }

  async remove(request: RemovalRequest): Promise<number | null> {
    const { session_id, event_ids } = request;
    const rows = await this.eventsOf(session_id);
    if (rows.length === 0) return null;
    const now = isoTime(Date.now());
    const redactions = (event_ids ?? [null]).map((of) =>
      redactionOf(request, of, now, now),
    );
    const changed: EventRow[] = [];
    const bare = rows.map((row) => {
      const event = JSON.parse(row.payload) as Event;
      const redaction = redactions.find(
        ({ of }) => of === undefined || of === event.event_id,
      );
      const kept = redaction ? withoutTexts(event, redaction) : event;
      if (kept === event) return row;
      const without = { ...row, payload: JSON.stringify(kept) };
      changed.push(without);
      return without;
    });
    const said = rows.map(({ payload }) => JSON.parse(payload) as Event);
    if (request.recording && !said.some(tellsOfRecording))
      redactions.push(recordingRemoval(request, now));
    if (changed.length > 0 || redactions.some(({ recording }) => recording))
      await this.writeEvents(changed, redactions);
    await this.writeSession(session_id, bare);
    return changed.length;
  }

  async eventsOf(session_id: string): Promise<EventRow[]> {
    const has = await this.columnsOf(this.events);
    const provenance = has.has("provenance") ? "provenance" : "NULL";
    return this.rows<EventRow>(
      `SELECT seq::VARCHAR AS seq, payload, ${provenance} AS provenance
        FROM ${this.events} AS e
        WHERE session_id = $1 ORDER BY e.seq`,
      [session_id],
    );
  }

  /** With an event that says of each removal when it was, and by whom. */
  private async writeEvents(
    changed: readonly EventRow[],
    redactions: readonly Event[],
  ): Promise<void> {
    const { connection, events } = this;
    await connection.run(
      "CREATE OR REPLACE TEMP TABLE bare (seq BIGINT, payload VARCHAR)",
    );
    await connection.run(
      "INSERT INTO bare SELECT unnest($1::BIGINT[]), unnest($2::VARCHAR[])",
      [
        // An empty list would have no type; no event has this number.
        listValue([-1n, ...changed.map(({ seq }) => BigInt(seq))]),
        listValue(["", ...changed.map(({ payload }) => payload)]),
      ],
    );
    const [had] = await this.rows<{ n: number; last: string }>(
      `SELECT count(*)::DOUBLE AS n, max(seq)::VARCHAR AS last FROM ${events}`,
    );
    const has = await this.columnsOf(events);
    const said = redactions.map((event, n) => {
      const { event_id, timestamp, session_id } = event;
      return `(SELECT e.* REPLACE (
          ${BigInt(had!.last) + BigInt(n + 1)} AS seq,
          ${quoted(event_id)}::UUID AS event_id, 'redaction' AS kind,
          ${quoted(timestamp.slice(0, -1))}::TIMESTAMP AS timestamp,
          ${has.has("provenance") ? "NULL AS provenance," : ""}
          ${quoted(JSON.stringify(event))} AS payload)
        FROM ${events} AS e WHERE e.session_id = ${quoted(session_id)} LIMIT 1)`;
    });
    const all = [
      `(SELECT e.* REPLACE (coalesce(bare.payload, e.payload) AS payload)
        FROM ${events} AS e LEFT JOIN bare ON bare.seq = e.seq)`,
      ...said,
    ].join(" UNION ALL ");
    await this.write(EVENTS_FILE, all, had!.n + said.length);
  }

  /** As its events come to, in what texts are in. */
  private async writeSession(
    session_id: string,
    events: readonly EventRow[],
  ): Promise<void> {
    const row = settle(foldBrought(session_id, broughtOf(events)));
    if (!row) return;
    const has = await this.columnsOf(this.sessions);
    const wanted = TEXT_COLUMNS.filter((name) => has.has(name));
    const values = wanted.map((name) => literal(name, row));
    const differ = wanted
      .map((name, n) => `${name} IS DISTINCT FROM ${values[n]}`)
      .join(" OR ");
    const whose = `session_id = ${quoted(session_id)}`;
    const [found] = await this.rows<{ n: number; odd: number }>(
      `SELECT count(*)::DOUBLE AS n,
        (count(*) FILTER (${whose} AND (${differ})))::DOUBLE AS odd
        FROM ${this.sessions}`,
    );
    if (found!.odd === 0) return;
    const replaced = wanted
      .map(
        (name, n) =>
          `CASE WHEN ${whose} THEN ${values[n]} ELSE ${name} END AS ${name}`,
      )
      .join(", ");
    const all = `SELECT * REPLACE (${replaced}) FROM ${this.sessions}`;
    await this.write(SESSIONS_FILE, all, found!.n);
  }

  /** Writes a file beside, reads it back, and gives it its place. */
  private async write(name: string, query: string, rows: number) {
    const there = this.made.at(name);
    using half = new NewFile(`${this.folder}/${name}`, there);
    await this.connection.run(
      `COPY (${query}) TO ${quoted(half.path)}
        (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)`,
    );
    const [has] = await this.rows<{ n: number }>(
      `SELECT count(*)::DOUBLE AS n FROM read_parquet(${quoted(half.path)})`,
    );
    if (has!.n !== rows)
      throw fail.storage(
        `'${this.folder}/${name}' would have ${has!.n} rows instead of ${rows}`,
        "it is as it was; check that disk",
      );
    chmodSync(half.path, 0o600);
    sync(half.path);
    renameSync(half.path, there);
    sync(this.folder);
  }

  private async columnsOf(from: string): Promise<ReadonlySet<string>> {
    const rows = await this.rows<{ column_name: string }>(
      `DESCRIBE SELECT * FROM ${from}`,
    );
    return new Set(rows.map(({ column_name }) => column_name));
  }

  private async rows<T>(sql: string, values: string[] = []): Promise<T[]> {
    const read = await this.connection.runAndReadAll(sql, values);
    return read.getRowObjectsJson() as T[];
  }
}

const tellsOfRecording = (event: Event): boolean =>
  isKind(event, "redaction") && removesRecording(event);

/** A value of a session as SQL has it. */
function literal(name: (typeof TEXT_COLUMNS)[number], row: SessionRow): string {
  if (name === "metadata") return quoted(metadataJson(row.metadata));
  if (name === "tags") return `[${row.tags.map(quoted).join(", ")}]::VARCHAR[]`;
  const value = row[name];
  return value === null ? "NULL::VARCHAR" : quoted(value);
}
