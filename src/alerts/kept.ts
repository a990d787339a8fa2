/** The alerts that are kept, as commands name them. */
import type { Settings } from "../config/load.ts";
import type { KeptAlert } from "../model/alert.ts";
import { fail } from "../model/failure.ts";

/** @throws Failure (refused) where another host keeps them */
export function requireAlertsHere({ config }: Settings): void {
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
