/**
 * Imports an export: all of it is looked through first, and then brought to the
 * database, of this process or of the server that has it.
 */
import { closeSync } from "node:fs";
import type { Settings } from "../config/load.ts";
import { type Event, MAX_EVENT_BYTES, isKind } from "../model/event.ts";
import {
  type Brought,
  type Imported,
  type Manifest,
  NOTHING_IMPORTED,
  type Part,
} from "../model/export.ts";
import { type Warn, errnoOf, fail, reasonOf } from "../model/failure.ts";
import { type Steps, Task, part as share } from "../model/progress.ts";
import { RemovedTexts } from "../model/redaction/removal.ts";
import type { Provenance } from "../model/reporter.ts";
import { Scratch } from "../os/scratch.ts";
import { spooledSessions } from "../spool/contents.ts";
import { type LineForm, readLines } from "../spool/read.ts";
import { parseStored } from "../spool/stored-line.ts";
import { StoreLock } from "../store/lock.ts";
import { RemoteMaintenance } from "../store/remote/maintenance.ts";
import { claimForCommand, loadDuckDB } from "./claim.ts";
import { ExportFolder } from "./export-folder.ts";
import { bringIn, endImported } from "./importer.ts";
import { drainInto, requireHere } from "./open.ts";
import { openStore } from "./open-store.ts";

const BATCH_EVENTS = 1_000;
const BATCH_BYTES = 1024 * 1024;
/** An event, and what stands around it. */
const MAX_LINE_BYTES = MAX_EVENT_BYTES + 64 * 1024;

export interface ImportDone extends Imported {
  events: number;
  /** Sessions that ran when the export was made, and are lost here. */
  lost: number;
}

/** Where events are brought to. */
interface Importer {
  bring(events: readonly Brought[]): Promise<Imported>;
  end(session_ids: readonly string[]): Promise<number>;
}

/** @throws Failure (refused) before anything is stored, when a part is not right */
export async function importEvents(
  settings: Settings,
  folder: ExportFolder,
  warn: Warn,
): Promise<ImportDone> {
  requireHere(settings);
  const manifest = folder.manifest();
  if (!manifest)
    throw fail.usage(
      `'${folder.path}' is no export: it has no manifest.json`,
      "make one: session-buddy export FOLDER",
    );
  using task = new Task("import");
  const all = manifest.parts.reduce((sum, { events }) => sum + events, 0);
  const source = await sourceOf(settings, folder, manifest);
  const removed = new RemovedTexts();
  const looking = counted(share(task, 0, 0.2), "looking through", all);
  for (const part of manifest.parts) {
    folder.verify(part);
    let events = 0;
    for await (const { event, provenance } of source(part)) {
      events++;
      looking();
      if (provenance === null && isKind(event, "redaction")) removed.add(event);
    }
    if (events !== part.events)
      throw fail.refused(
        `'${folder.path}/${part.file}' has ${events} events, not ${part.events}`,
        "nothing was imported; give a whole copy of the export",
      );
  }
  const bringing = counted(share(task, 0.2, 1), "storing", all);
  return await withImporter(settings, warn, async (importer) => {
    const done: ImportDone = { ...NOTHING_IMPORTED, events: 0, lost: 0 };
    const running = new Set<string>();
    const bring = async (batch: readonly Brought[]) => {
      // An earlier part may have what was removed since.
      const bare = batch.map(({ event, provenance }) => ({
        ...{ event: removed.applied(event), provenance },
      }));
      const { reason, ...counts } = await importer.bring(bare);
      done.reason ??= reason;
      done.events += batch.length;
      bringing(batch.length);
      for (const key of Object.keys(counts) as (keyof typeof counts)[])
        done[key] += counts[key];
    };
    for (const part of manifest.parts)
      for await (const batch of batches(source(part), running))
        await bring(batch);
    const ids = [...running];
    for (let at = 0; at < ids.length; at += BATCH_EVENTS)
      done.lost += await importer.end(ids.slice(at, at + BATCH_EVENTS));
    return done;
  });
}

/** Counts events, and says now and then how many of all they are. */
function counted(steps: Steps, step: string, all: number) {
  let events = 0;
  return (more = 1) => {
    const before = Math.floor(events / BATCH_EVENTS);
    events += more;
    if (Math.floor(events / BATCH_EVENTS) > before || events === all)
      steps.at(step, events / all);
  };
}

/** @param running gets the sessions whose end has not come */
async function* batches(
  events: AsyncIterable<Brought>,
  running: Set<string>,
): AsyncGenerator<Brought[]> {
  let batch: Brought[] = [];
  let bytes = 0;
  for await (const one of events) {
    const { session_id, event_type } = one.event;
    if (event_type === "session_end") running.delete(session_id);
    else if (event_type === "session_start") running.add(session_id);
    batch.push(one);
    bytes += JSON.stringify(one).length;
    if (batch.length < BATCH_EVENTS && bytes < BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

async function withImporter<T>(
  settings: Settings,
  warn: Warn,
  use: (importer: Importer) => Promise<T>,
): Promise<T> {
  const here = await claimForCommand(settings);
  if (!(here instanceof StoreLock)) {
    const server = new RemoteMaintenance(here);
    return use({
      bring: (events) => server.bring(events),
      end: (ids) => server.endImported(ids),
    });
  }
  const { store, close } = await openStore(settings, here, { warn });
  try {
    await drainInto(settings, store);
    const rules = {
      redaction: settings.config.redaction,
      spooled: spooledSessions(settings.paths.data!),
    };
    return await use({
      bring: (events) => bringIn(store, events, rules),
      end: (ids) => endImported(store, ids, rules),
    });
  } finally {
    await close();
  }
}

type Source = (part: Part) => AsyncIterable<Brought>;

/** Whether an export has an event of a kind. */
export async function exportHas(
  settings: Settings,
  path: string,
  isSought: (event: Event) => boolean,
): Promise<boolean> {
  using folder = ExportFolder.open(path, false);
  const manifest = folder.manifest();
  if (!manifest) return false;
  const source = await sourceOf(settings, folder, manifest);
  for (const part of manifest.parts)
    for await (const { event } of source(part))
      if (isSought(event)) return true;
  return false;
}

async function sourceOf(
  settings: Settings,
  folder: ExportFolder,
  { format }: Manifest,
): Promise<Source> {
  if (format === "ndjson") return (part) => lines(folder, part);
  await loadDuckDB(settings);
  const { readParquet } = await import("../store/duckdb/parquet.ts");
  return async function* (part) {
    using scratch = Scratch.beside(folder.at("any"));
    let row = 0;
    try {
      for await (const [provenance, event] of readParquet(
        scratch.at("."),
        folder.at(part.file),
      )) {
        row++;
        if (event.length > MAX_EVENT_BYTES) throw new Error("it is too long");
        yield parseStored(
          `{"provenance":${provenance ?? "null"},"event":${event}}`,
        );
      }
    } catch (error) {
      throw bad(folder, part, `row ${row}`, reasonOf(error));
    }
  };
}

/** A line is an event, in what list-events --format ndjson has around it. */
async function* lines(
  folder: ExportFolder,
  part: Part,
): AsyncGenerator<Brought> {
  let provenance: Provenance | null = null;
  const form: LineForm = {
    max_bytes: MAX_LINE_BYTES,
    parse: (bytes) => {
      const stored = parseStored(utf8.decode(bytes));
      ({ provenance } = stored);
      return stored.event;
    },
  };
  let fd: number;
  try {
    fd = folder.openFile(part.file);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    throw bad(folder, part, "the file", "it is gone");
  }
  try {
    let number = 0;
    for (const line of readLines(fd, "gone", undefined, form)) {
      if (line.kind === "pause") continue;
      number++;
      if (line.kind === "event") yield { event: line.event, provenance };
      else if (line.kind === "bad")
        throw bad(folder, part, `line ${number}`, line.line.reason);
    }
  } finally {
    closeSync(fd);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

const bad = (
  folder: ExportFolder,
  { file }: Part,
  where: string,
  why: string,
) =>
  fail.refused(
    `'${folder.path}/${file}' cannot be imported, ${where}: ${why}`,
    "nothing was imported; give a whole export of your own",
  );
