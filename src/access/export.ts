/**
 * Exports all events to a folder, part by part: what is there already stays, and
 * only what came since is added. Killed anywhere, the next one goes on after the last
 * whole part.
 */
import { closeSync, openSync, rmSync } from "node:fs";
import type { Settings } from "../config/load.ts";
import { Failure, fail } from "../model/failure.ts";
import type { ExportFormat, Part } from "../model/export.ts";
import { type Steps, Task } from "../model/progress.ts";
import type { QueryColumn, QueryRow } from "../model/query.ts";
import type { SessionStore, StoredEvent } from "../model/store.ts";
import { Output } from "../os/output.ts";
import { Scratch } from "../os/scratch.ts";
import { loadDuckDB } from "./claim.ts";
import { ExportFolder } from "./export-folder.ts";

/** Of a part. */
const PART_EVENTS = 50_000;
const STEP_EVENTS = 1_000;

export interface Exported {
  folder: string;
  format: ExportFormat;
  /** Of this run, and of all. */
  new_events: number;
  events: number;
  parts: number;
}

/** The columns of a part in Parquet; the last two are JSON, as text, letter by letter. */
export const EXPORT_COLUMNS: readonly QueryColumn[] = [
  { name: "seq", type: "BIGINT" },
  { name: "event_id", type: "VARCHAR" },
  { name: "session_id", type: "VARCHAR" },
  { name: "event_type", type: "VARCHAR" },
  { name: "timestamp", type: "TIMESTAMP" },
  { name: "received_at", type: "TIMESTAMP" },
  { name: "provenance", type: "VARCHAR" },
  { name: "event", type: "VARCHAR" },
];

/** @throws Failure (usage) for a folder of another format or another database */
export async function exportEvents(
  settings: Settings,
  store: SessionStore,
  folder: ExportFolder,
  format: ExportFormat,
  part_events = PART_EVENTS,
): Promise<Exported> {
  using task = new Task("export");
  folder.lock();
  const before = folder.manifest();
  if (before && before.format !== format)
    throw fail.usage(
      `'${folder.path}' has parts in ${before.format}`,
      `give --format ${before.format}, or another folder`,
    );
  const parts = before?.parts ?? [];
  for (const part of parts) {
    task.at(`looking at ${part.file}`, null);
    folder.verify(part);
  }
  const last = parts.at(-1);
  if (last) await requireSame(store, folder, last);
  else folder.write(format, []);
  const had = sum(parts);
  const steps = stepsTo(task, last?.last_seq ?? 0, await newestSeq(store));
  const stored = store
    .events({ ...(last && { after_seq: last.last_seq }) })
    [Symbol.asyncIterator]();
  for (let next = await stored.next(); !next.done;) {
    const number = parts.length + 1;
    const already = sum(parts) - had;
    let events = 0;
    const first = next.value;
    let at = first;
    const rows = async function* () {
      for (; !next.done && events < part_events; next = await stored.next()) {
        at = next.value;
        events++;
        steps(already + events, at.seq);
        yield at;
      }
    };
    const made = `${format}.new`;
    rmSync(folder.at(made), { force: true });
    await WRITE[format](settings, folder, made, rows());
    parts.push(
      folder.publish(made, {
        ...{ number, format, events, first_seq: first.seq },
        ...{ last_seq: at.seq, last_event_id: at.event.event_id },
      }),
    );
    folder.write(format, parts);
  }
  const events = sum(parts);
  return {
    ...{ folder: folder.path, format, events, parts: parts.length },
    new_events: events - had,
  };
}

const sum = (parts: readonly Part[]) =>
  parts.reduce((n, { events }) => n + events, 0);

/** Says how far it is, now and then. */
function stepsTo(steps: Steps, from: number, to: number | null) {
  return (events: number, seq: number) => {
    if (events % STEP_EVENTS > 0) return;
    const fraction = to === null ? null : (seq - from) / Math.max(1, to - from);
    steps.at(`${events} events`, fraction);
  };
}

/** null where it cannot be told: by a server that is older, or is asked too much. */
async function newestSeq(store: SessionStore): Promise<number | null> {
  try {
    const sql = "SELECT max(seq) FROM events";
    const { rows } = await store.query({ sql, timeout_ms: 5_000 });
    const [row] = await Array.fromAsync(rows);
    return (row?.[0] as number | null) ?? null;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return null;
  }
}

/** Numbers of another database would be taken for ours. */
async function requireSame(
  store: SessionStore,
  folder: ExportFolder,
  { last_seq, last_event_id }: Part,
): Promise<void> {
  const sql = `SELECT (SELECT max(seq) FROM events),
    (SELECT event_id FROM events WHERE seq = ${last_seq})`;
  const { rows } = await store.query({ sql, timeout_ms: 60_000 });
  const [row] = await Array.fromAsync(rows);
  const [max, event_id] = row as [number | null, string | null];
  // That very event may be in an archive by now.
  const other = event_id !== null && event_id !== last_event_id;
  if (!other && (max ?? 0) >= last_seq) return;
  throw fail.usage(
    `'${folder.path}' has events of another database, or of a later state of this one`,
    "give another folder",
  );
}

type Write = (
  settings: Settings,
  folder: ExportFolder,
  name: string,
  rows: AsyncIterable<StoredEvent>,
) => Promise<void>;

const WRITE: Record<ExportFormat, Write> = {
  ndjson: async (_settings, folder, name, rows) => {
    const fd = openSync(folder.at(name), "wx", 0o600);
    try {
      const output = new Output(fd, `'${folder.path}'`);
      for await (const row of rows) output.write(`${JSON.stringify(row)}\n`);
      output.flush();
    } finally {
      closeSync(fd);
    }
  },
  parquet: async (settings, folder, name, rows) => {
    await loadDuckDB(settings);
    const { writeParquet } = await import("../store/duckdb/parquet.ts");
    using scratch = Scratch.beside(folder.at("any"));
    await writeParquet(
      ...([
        scratch.at("."),
        folder.at(name),
        EXPORT_COLUMNS,
        cells(rows),
      ] as const),
    );
  },
};

async function* cells(
  rows: AsyncIterable<StoredEvent>,
): AsyncGenerator<QueryRow> {
  for await (const { seq, received_at, provenance, event } of rows) {
    const { event_id, session_id, event_type, timestamp } = event;
    const from = provenance && JSON.stringify(provenance);
    yield [
      ...[seq, event_id, session_id, event_type, timestamp, received_at],
      ...[from, JSON.stringify(event)],
    ];
  }
}
