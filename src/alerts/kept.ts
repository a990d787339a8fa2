/** The alerts that a server has kept, for commands: they ask no server. */
import type { Settings } from "../config/load.ts";
import type { KeptAlert } from "../model/alert.ts";
import { type Warn, fail } from "../model/failure.ts";
import { AlertFolder } from "./folder.ts";
import { type Window, stateFrom } from "./state.ts";

/** @returns oldest first */
export function keptAlerts(settings: Settings, warn: Warn): KeptAlert[] {
  requireHere(settings);
  return AlertFolder.of(settings).read((name, reason) =>
    warn(`${name} holds no alert: ${reason}`),
  );
}

/** What rules have left out that have not told of it yet, by rule. */
export function leftOutNow(settings: Settings): [string, Window][] {
  const rules = settings.alerts?.rules ?? {};
  const read = AlertFolder.of(settings).readState();
  const { windows } = stateFrom(read, new Set(Object.keys(rules)));
  return Object.entries(windows).filter(([, { left_out }]) => left_out > 0);
}

/** @throws Failure (refused) where another host keeps them */
function requireHere({ config }: Settings): void {
  const { endpoint } = config.server;
  if (endpoint === null) return;
  throw fail.refused(
    `the alerts are with the server at ${endpoint}`,
    "ask there: session-buddy alerts list",
  );
}

/**
 * The alert of an id, a unique prefix of one, or the end of one that is unique.
 * @throws Failure (not_found, ambiguous)
 */
export function alertOf(
  alerts: readonly KeptAlert[],
  reference: string,
): KeptAlert {
  const exact = alerts.find(({ id }) => id === reference);
  const near = alerts.filter(
    ({ id }) => id.startsWith(reference) || id.endsWith(reference),
  );
  const [found] = exact ? [exact] : near;
  if (!found)
    throw fail.not_found(
      `no alert '${reference}'`,
      "try: session-buddy alerts list --all",
    );
  if (!exact && near.length > 1)
    throw fail.ambiguous(
      `'${reference}' is ${near.length} alerts: ${near.map(({ id }) => id).join(", ")}`,
      "give more of it",
    );
  return found;
}
