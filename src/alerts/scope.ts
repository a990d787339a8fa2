/**
 * Which rules a server looks at. Where several share a database, each looks at its own
 * host, and one at what they share.
 */
import type { AlertConfig, AlertKind, AlertRule } from "../model/alert.ts";
import type { Kind } from "../model/event.ts";
import { eventsOf } from "./match.ts";

export type Scope = "all" | "host" | "database";

/** What these measure is of the server's own host. */
const OF_HOST: ReadonlySet<AlertKind> = new Set([
  "undelivered",
  "spool_backlog",
  "server_degraded",
  "login_without_session",
]);

/** The events that a rule looks at. */
export const eventsIn = (scope: Scope, rule: AlertRule): readonly Kind[] =>
  scope === "host" ? [] : eventsOf(rule);

/** Whether it measures how things stand. */
export const measuresIn = (scope: Scope, { when }: AlertRule): boolean =>
  scope === "all" || OF_HOST.has(when) === (scope === "host");

/** The rules that have something to look at. */
export const rulesIn = (
  scope: Scope,
  { rules }: AlertConfig,
): [name: string, rule: AlertRule][] =>
  Object.entries(rules).filter(
    ([, rule]) => measuresIn(scope, rule) || eventsIn(scope, rule).length > 0,
  );

/** Tells the rules and channels of two configurations apart. */
export function digestOf({ given }: AlertConfig): string {
  const entries = Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify(entries);
  return new Bun.CryptoHasher("sha256").update(text).digest("hex");
}
