/** Checks whether alerts can be told, and were. */
import { runningServer, lockPath } from "../access/claim.ts";
import { withDocuments } from "../access/open-store.ts";
import { AlertBooks } from "../alerts/books.ts";
import { digestOf } from "../alerts/scope.ts";
import { requireUsable } from "../alerts/send.ts";
import type { Settings } from "../config/load.ts";
import type { AlertRule } from "../model/alert.ts";
import { fail } from "../model/failure.ts";
import { isMissing } from "../os/file.ts";
import { UTMP } from "../os/logins.ts";
import type { Check } from "./check.ts";

export function alertChecks(settings: Settings): Check[] {
  const { channels = {}, rules = {} } = settings.alerts ?? {};
  if (Object.keys(rules).length === 0) return [];
  return [
    { name: "alerts", look: () => lookAtRules(settings, rules) },
    ...Object.keys(channels).map((name) => ({
      name: `alerts_${name.replaceAll("-", "_")}`,
      look: () => lookAtChannel(settings, name),
    })),
  ];
}

async function lookAtRules(
  settings: Settings,
  rules: Record<string, AlertRule>,
): Promise<string> {
  for (const [name, { when, file = UTMP }] of Object.entries(rules))
    if (when === "login_without_session" && isMissing(file))
      throw fail.not_found(
        `rule '${name}' looks for logins in '${file}', which is not there`,
        "where a system writes no utmp, the rule cannot hold: remove it",
      );
  const names = Object.keys(rules).join(", ");
  if (!runningServer(lockPath(settings)))
    throw fail.unhealthy(
      `no server runs that would look at the rules: ${names}`,
      "try: session-buddy mcp start --detach",
    );
  const inForce = await withDocuments(settings, "alerts", (places) =>
    new AlertBooks(places).inForce(),
  );
  if (inForce && inForce.digest !== digestOf(settings.alerts!))
    throw fail.unhealthy(
      `the server of ${inForce.host} has other rules or channels than these, and looks for all`,
      "give all servers the same, and restart them",
    );
  return `a server looks at ${names}`;
}

async function lookAtChannel(
  settings: Settings,
  name: string,
): Promise<string> {
  requireUsable(settings.alerts!.channels[name]!, process.env);
  const unreadable = (file: string, reason: string) => {
    throw fail.storage(`'${file}' holds no alert: ${reason}`, "remove it");
  };
  const kept = await withDocuments(settings, "alerts", (places) =>
    new AlertBooks(places).read(unreadable),
  );
  const told = kept.flatMap((alert) => alert.told[name] ?? []);
  const waiting = told.filter(({ state }) => state === "pending");
  const failed = waiting.findLast(({ error }) => error !== null);
  if (failed)
    throw fail.unreachable(
      `${waiting.length} alerts wait: ${failed.error}`,
      `once it is mended: session-buddy alerts test ${name}`,
    );
  const done = told.filter(({ state }) => state === "told").length;
  return `${done} alerts of those that are kept were told, ${waiting.length} are on their way`;
}
