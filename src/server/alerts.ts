/** Makes a server's alerts: from its database, its spool and its health. */
import { Alerts } from "../alerts/alerts.ts";
import { Deliveries } from "../alerts/deliveries.ts";
import { AlertFolder } from "../alerts/folder.ts";
import { sender } from "../alerts/send.ts";
import type { AlertSource } from "../alerts/source.ts";
import type { Settings } from "../config/load.ts";
import type { Log } from "../log/log.ts";
import type { KeptAlert } from "../model/alert.ts";
import type { Clock } from "../model/clock.ts";
import type { KeptStore } from "../model/store.ts";
import { spoolBacklog } from "../spool/folder.ts";

export interface Watched {
  /** @throws Failure while the database is away */
  file(): KeptStore;
  health(): ReturnType<AlertSource["health"]>;
  undrained_ms(): number;
}

export const NO_ALERTS = { raised: 0, left_out: 0, given_up: 0, waiting: 0 };

/** Those that it has raised, whatever rules there are now. */
export const keptOf = (settings: Settings, log: Log): KeptAlert[] =>
  AlertFolder.of(settings).read((name, reason) =>
    log.warn("alert_unreadable", { name, reason }),
  );

/** @returns null where the configuration has no rules */
export function alertsOf(
  settings: Settings,
  { file, health, undrained_ms }: Watched,
  log: Log,
  now: Clock,
): Alerts | null {
  const { alerts: config, paths } = settings;
  if (!config || Object.keys(config.rules).length === 0) return null;
  const folder = AlertFolder.of(settings);
  folder.make();
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
  const send = sender(env);
  const deliveries = new Deliveries(config, folder, send, log, now);
  return new Alerts({ config, folder, source, deliveries, log, env, now });
}
