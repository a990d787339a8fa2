/** Tells one alert to one channel: a webhook, or a command. */
import type { Alert, Channel } from "../model/alert.ts";
import { fail } from "../model/failure.ts";
import { plainJson } from "../model/json.ts";
import { runCommand } from "./command.ts";
import { postWebhook, requireWebhook } from "./webhook.ts";
import { isMissing } from "../os/file.ts";
import { requireTrustedFile } from "../os/trust.ts";

/**
 * Resolves once it was taken.
 * @param end aborts it
 * @throws Error with the reason; Refused when it may be this alert's own fault
 */
export type Send = (
  channel: Channel,
  alert: Alert,
  end: AbortSignal,
) => Promise<void>;

export { Refused } from "./webhook.ts";

/** @param env of this process: the key may be in it */
export const sender =
  (env: Readonly<Record<string, string | undefined>>): Send =>
  (channel, alert, end) => {
    const body = plainJson(alert);
    return channel.webhook === undefined
      ? runCommand(channel.command!, channel.timeout_ms, body, env, end)
      : postWebhook(channel, alert.id, body, env, end);
  };

/**
 * Looks whether a channel could be told, as far as this host can tell.
 * @throws Failure for a key, a URL or a program that cannot be used
 */
export function requireUsable(
  channel: Channel,
  env: Readonly<Record<string, string | undefined>>,
): void {
  if (channel.webhook !== undefined) return requireWebhook(channel, env);
  const [program] = channel.command;
  if (isMissing(program!))
    throw fail.not_found(`there is no '${program}'`, "check command: of it");
  requireTrustedFile(program!);
}
