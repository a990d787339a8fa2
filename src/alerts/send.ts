/** Tells one alert to one channel: a webhook, or a command. */
import type { Alert, Channel } from "../model/alert.ts";
import { plainJson } from "../model/json.ts";
import { runCommand } from "./command.ts";
import { postWebhook } from "./webhook.ts";

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
