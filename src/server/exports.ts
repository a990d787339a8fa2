/**
 * Brings what is stored to every destination of `export_to`, while the server lives;
 * where several share a database, one of them to each destination.
 */
import { dirname } from "node:path";
import type { DestinationSettings } from "../config/destinations.ts";
import type { Settings } from "../config/load.ts";
import { requireNotOwn } from "../access/own-files.ts";
import { type Figures, Forwarder, type Hears } from "../forward/forwarder.ts";
import { Opening, destinationOf } from "../forward/open.ts";
import type { Place } from "../forward/position.ts";
import type { Source } from "../forward/source.ts";
import type { Log } from "../log/log.ts";
import { fail } from "../model/failure.ts";
import type { Duty } from "../model/store.ts";
import { isMissing } from "../os/file.ts";
import { OnDuty } from "./duty.ts";
import type { ServerStore } from "./store.ts";

export class Exports {
  private readonly duties = new Map<string, OnDuty<Forwarder>>();

  private constructor(settings: Settings, store: ServerStore, log: Log) {
    const { redaction } = settings.config;
    const { documents } = store.opened;
    for (const [name, to] of Object.entries(settings.export_to)) {
      const duty: Duty = `export ${name}`;
      const one: OnDuty<Forwarder> = new OnDuty<Forwarder>({
        ...{ duty, store: store.kept, log },
        begin: (term) =>
          Forwarder.begin({
            ...{ source: sourceOf(store), redaction, since: to.since, name },
            destination: new Opening(() => open(settings, to)),
            documents: documents("exported", { duty, term }),
            may: one.holds,
            hears: hearing(log, name),
          }),
        end: (forwarder) => forwarder.stop(),
      });
      this.duties.set(name, one);
    }
    store.hears = {
      committed: () => this.each((forwarder) => forwarder.wake()),
      reopened: () => this.each((forwarder) => forwarder.doubt()),
      ticks: () => {
        for (const duty of this.duties.values()) void duty.tick();
      },
    };
  }

  /** @throws Failure (permission) where others rule the folder of the positions */
  static async begin(
    settings: Settings,
    store: ServerStore,
    log: Log,
  ): Promise<Exports> {
    const exports = new Exports(settings, store, log);
    if (exports.duties.size > 0) store.opened.documents("exported").make();
    await Promise.all([...exports.duties.values()].map((duty) => duty.tick()));
    return exports;
  }

  /** Of those that this server brings it to. */
  figures(): Map<string, Figures> {
    const figures = new Map<string, Figures>();
    for (const [name, { work }] of this.duties)
      if (work) figures.set(name, work.figures());
    return figures;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.duties.values()].map((duty) => duty.stop()));
  }

  private each(does: (forwarder: Forwarder) => void): void {
    for (const { work } of this.duties.values()) if (work) does(work);
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
