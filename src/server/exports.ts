/** Brings what is stored to every destination of `export_to`, while the server lives. */
import { dirname } from "node:path";
import type { DestinationSettings } from "../config/destinations.ts";
import type { Settings } from "../config/load.ts";
import { databasePath } from "../access/claim.ts";
import { requireNotOwn } from "../access/own-files.ts";
import {
  type Figures,
  Forwarder,
  type Hears,
  type Source,
} from "../forward/forwarder.ts";
import { Opening, destinationOf } from "../forward/open.ts";
import {
  type Place,
  ensurePositions,
  positionFile,
} from "../forward/position.ts";
import type { Log } from "../log/log.ts";
import { fail } from "../model/failure.ts";
import { isMissing } from "../os/file.ts";
import type { ServerStore } from "./store.ts";

export class Exports {
  private readonly forwarders = new Map<string, Forwarder>();

  /** @throws Failure (permission) where others rule the folder of the positions */
  constructor(settings: Settings, store: ServerStore, log: Log) {
    const { export_to } = settings;
    const { redaction } = settings.config;
    const database = databasePath(settings);
    if (Object.keys(export_to).length > 0) ensurePositions(database);
    for (const [name, to] of Object.entries(export_to))
      this.forwarders.set(
        name,
        new Forwarder({
          ...{ source: sourceOf(store), redaction, since: to.since },
          destination: new Opening(() => open(settings, to)),
          file: positionFile(database, name),
          hears: hearing(log, name),
        }),
      );
    store.hears = {
      committed: () => this.each((forwarder) => forwarder.wake()),
      reopened: () => this.each((forwarder) => forwarder.doubt()),
    };
  }

  figures(): Map<string, Figures> {
    return new Map(
      [...this.forwarders].map(([name, one]) => [name, one.figures()]),
    );
  }

  async stop(): Promise<void> {
    await Promise.all([...this.forwarders.values()].map((one) => one.stop()));
  }

  private each(does: (forwarder: Forwarder) => void): void {
    for (const forwarder of this.forwarders.values()) does(forwarder);
  }
}

const sourceOf = (store: ServerStore): Source => ({
  get last_seq() {
    return store.stored.facts().last_seq;
  },
  events: (filter) => store.stored.events(filter),
  resumeAfter: (place) => resumeAfter(store.stored, place),
});

const RESUME_MS = 60_000;
/** Clocks are set back, hardly by more. */
const SKEW_MS = 3_600_000;

/**
 * After that event, where it is here under another number; else after what had arrived
 * before it; else after all: a backup has nothing that was not delivered before it was made.
 */
async function resumeAfter(
  store: ServerStore["stored"],
  { event_id, received_at }: Place,
): Promise<number> {
  const since = new Date(Date.parse(received_at!) - SKEW_MS).toISOString();
  const sql = `SELECT coalesce(
    (SELECT max(seq) FROM events WHERE event_id::VARCHAR = '${event_id}'),
    (SELECT min(seq) - 1 FROM events
      WHERE received_at >= '${since.slice(0, -1)}'::TIMESTAMP),
    (SELECT max(seq) FROM events), 0)::FLOAT8`;
  const { rows } = await store.query({ sql, timeout_ms: RESUME_MS });
  const [row] = await Array.fromAsync(rows);
  return Number(row![0]);
}

/** @throws Failure for a place that cannot be used */
function open(settings: Settings, to: DestinationSettings) {
  if (to.type !== "file") return destinationOf(to);
  const folder = dirname(to.path);
  if (isMissing(folder))
    throw fail.storage(
      `the folder '${folder}' is not there`,
      `make it: mkdir -p -m 700 '${folder}'`,
    );
  requireNotOwn(settings, to.path);
  return destinationOf(to);
}

const hearing = (log: Log, destination: string): Hears => ({
  failed: (reason) => log.error("export_failed", { destination, reason }),
  recovered: () => log.info("export_recovered", { destination }),
  warn: (event, fields) => log.warn(event, { destination, ...fields }),
});
