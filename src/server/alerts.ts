/** A server's alerts: from its database, its spool and its health. */
import { hostname } from "node:os";
import { type OpenedStore } from "../access/open-store.ts";
import { ownDocuments } from "../access/documents.ts";
import { Alerts } from "../alerts/alerts.ts";
import { AlertBook } from "../alerts/book.ts";
import { AlertBooks } from "../alerts/books.ts";
import { Deliveries } from "../alerts/deliveries.ts";
import { type Scope, digestOf, rulesIn } from "../alerts/scope.ts";
import { sender } from "../alerts/send.ts";
import type { AlertSource } from "../alerts/source.ts";
import type { Settings } from "../config/load.ts";
import type { Log } from "../log/log.ts";
import type { KeptAlert } from "../model/alert.ts";
import type { Clock } from "../model/clock.ts";
import type { Documents } from "../model/documents.ts";
import type { KeptStore } from "../model/store.ts";
import { spoolBacklog } from "../spool/folder.ts";
import { OnDuty } from "./duty.ts";

export interface Watched {
  /** @throws Failure while the database is away */
  file(): KeptStore;
  health(): ReturnType<AlertSource["health"]>;
  undrained_ms(): number;
}

interface Looking {
  settings: Settings;
  watched: Watched;
  log: Log;
  now: Clock;
}

const none = () => ({ raised: 0, left_out: 0, given_up: 0, waiting: 0 });

/**
 * Those of this host, and, while this server has the duty, those of the database that it
 * shares with others.
 */
export class ServerAlerts {
  private own: Alerts | null = null;
  private readonly duty: OnDuty<Alerts>;
  private readonly scope: Scope;

  /**
   * @param store also while the database is away
   * @param documents those that the servers share
   */
  constructor(
    private readonly looking: Looking,
    store: () => KeptStore,
    private readonly documents: OpenedStore["documents"],
  ) {
    this.scope = store().shared ? "database" : "all";
    this.duty = new OnDuty<Alerts>({
      ...{ duty: "alerts", store, log: looking.log },
      begin: (term) =>
        alertsOf(looking, this.scope, {
          documents: documents("alerts", { duty: "alerts", term }),
          may: this.duty.holds,
        }),
      end: (alerts) => alerts.close(),
    });
  }

  /** To be awaited before anything is stored. @throws Failure when it cannot begin */
  async begin(): Promise<void> {
    const { looking } = this;
    if (this.scope !== "all" && this.has("host"))
      this.own = await alertsOf(looking, "host", {
        documents: ownDocuments(looking.settings, "alerts"),
        may: () => true,
      });
    if (this.has(this.scope)) await this.duty.begin();
  }

  /** To be called each second; returns at once. */
  tick(): void {
    if (this.has(this.scope)) void this.duty.tick();
    for (const alerts of this.each()) alerts.tick();
  }

  /** Events were stored. */
  wake(): void {
    for (const alerts of this.each()) alerts.wake();
  }

  /** The database is another one now, perhaps. */
  beginAnew(): void {
    for (const alerts of this.each()) alerts.beginAnew();
  }

  /** Since this server looks. */
  counts() {
    const sum = none();
    for (const alerts of this.each()) {
      const counts = alerts.counts();
      for (const key of Object.keys(sum) as (keyof typeof sum)[])
        sum[key] += counts[key];
    }
    return sum;
  }

  /** All that are kept, whatever rules there are now; oldest first. @throws Failure */
  kept(): Promise<KeptAlert[]> {
    const { settings, log } = this.looking;
    const places = [this.documents("alerts")];
    if (this.scope !== "all") places.push(ownDocuments(settings, "alerts"));
    return new AlertBooks(places).read((name, reason) =>
      log.warn("alert_unreadable", { name, reason }),
    );
  }

  async close(): Promise<void> {
    await Promise.all([this.own?.close(), this.duty.stop()]);
  }

  private has(scope: Scope): boolean {
    const { alerts } = this.looking.settings;
    return alerts !== null && rulesIn(scope, alerts).length > 0;
  }

  private each(): Alerts[] {
    return [this.own, this.duty.work].filter((alerts) => alerts !== null);
  }
}

/** @throws Failure (permission) where others rule the place */
export async function alertsOf(
  { settings, watched, log, now }: Looking,
  scope: Scope,
  { documents, may }: { documents: Documents; may: () => boolean },
): Promise<Alerts> {
  const { alerts, paths } = settings;
  const config = alerts!;
  const { file, health, undrained_ms } = watched;
  documents.make();
  const { env } = process;
  const source: AlertSource = {
    lastSeq: () => file().facts().last_seq,
    events: (filter) => file().events(filter),
    session: (session_id) => file().session(session_id, now()),
    sessions: (filter) => file().list(filter),
    hosts: async (since_ms) => {
      // Those that live on say so without anything being stored.
      const alive = await Array.fromAsync(file().list({ active: true }));
      const hosts = await file().hosts(since_ms);
      for (const { hostname, last_seen } of alive) {
        const before = hosts.get(hostname) ?? 0;
        hosts.set(hostname, Math.max(before, Date.parse(last_seen)));
      }
      return hosts;
    },
    health,
    undrained_ms,
    spool: () => spoolBacklog(paths.data!),
    database_bytes: () => file().facts().database_bytes,
  };
  const book = new AlertBook(documents);
  const before = await book.read((name, reason) =>
    log.warn("alert_unreadable", { name, reason }),
  );
  const state = await book.readState();
  const deliveries = new Deliveries(config, before, {
    ...{ book, send: sender(env), may, log, now },
  });
  const kept = { config, scope, book, state, deliveries };
  const looks = new Alerts({ ...kept, source, may, log, env, now });
  await looks.ready();
  if (scope === "database")
    await book.saveInForce({ host: hostname(), digest: digestOf(config) });
  return looks;
}
