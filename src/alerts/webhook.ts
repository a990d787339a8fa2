/**
 * Posts an alert to a webhook, signed as standardwebhooks.com has it: the signature
 * is over id, time and body, with a key that both know.
 */
import { readPrivateText } from "../auth/secret.ts";
import { nameOf } from "../config/alerts.ts";
import { webhook as readUrl } from "../config/alert-fields.ts";
import type { Channel } from "../model/alert.ts";
import { fail, fetchReason, isTimeout } from "../model/failure.ts";
import { VERSION } from "../version.ts";

type Environment = Readonly<Record<string, string | undefined>>;
export type Webhook = Extract<Channel, { webhook: string }>;

export const KEY_VARIABLE = "SESSION_BUDDY_ALERT_KEY";
const MIN_KEY_CHARACTERS = 32;
/** Whatever HTTP_PROXY says: plain http goes to this host alone. */
const DIRECT = { proxy: false as unknown as string };

/** The receiver answered, and does not want this one as it is. */
export class Refused extends Error {}

export async function postWebhook(
  channel: Webhook,
  id: string,
  body: string,
  env: Environment,
  end: AbortSignal,
): Promise<void> {
  const url = urlOf(channel.webhook);
  const name = nameOf(url);
  const seconds = Math.floor(Date.now() / 1_000);
  const key = keyOf(channel.key_file, env);
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "user-agent": `session-buddy/${VERSION}`,
        "webhook-id": id,
        "webhook-timestamp": String(seconds),
        ...(key && { "webhook-signature": signature(key, id, seconds, body) }),
      },
      body,
      // Where it leads, the configuration does not say.
      redirect: "manual",
      ...(url.startsWith("http:") ? DIRECT : {}),
      signal: AbortSignal.any([end, AbortSignal.timeout(channel.timeout_ms)]),
    });
  } catch (error) {
    if (isTimeout(error))
      throw new Error(
        `${name} did not answer within ${channel.timeout_ms / 1_000} s`,
      );
    throw new Error(`${name} cannot be reached: ${reachReason(error)}`);
  }
  // What it says beside the status is nothing to us, and may have no end.
  response.body?.cancel().catch(() => {});
  if (response.ok) return;
  const { status } = response;
  if (status >= 300 && status < 400)
    throw new Error(
      `${name} leads elsewhere (status ${status}), which is not followed`,
    );
  const why = `${name} answered with status ${status}`;
  if (status >= 500 || status === 408 || status === 429) throw new Error(why);
  throw new Refused(why);
}

/** @throws Failure (config) for a key or a URL that cannot be read */
export function requireWebhook(channel: Webhook, env: Environment): void {
  urlOf(channel.webhook);
  keyOf(channel.key_file, env);
}

/** @param key of KEY_VARIABLE or a file: `whsec_` and base64, or any text */
export function signature(
  key: string,
  id: string,
  seconds: number,
  body: string,
): string {
  const bytes = key.startsWith("whsec_")
    ? Buffer.from(key.slice("whsec_".length), "base64")
    : Buffer.from(key);
  const hmac = new Bun.CryptoHasher("sha256", bytes);
  return `v1,${hmac.update(`${id}.${seconds}.${body}`).digest("base64")}`;
}

/**
 * The key that signs; null when there is none. It is read each time: another one may
 * be put into its file.
 * @throws Failure (config) for one that cannot be read, or is too short
 */
function keyOf(file: string | null, env: Environment): string | null {
  const key =
    file === null
      ? env[KEY_VARIABLE] || null
      : readPrivateText("key_file", file);
  if (key !== null && key.length < MIN_KEY_CHARACTERS)
    throw fail.config(
      `the key that signs alerts is too short (${key.length} characters, at least ${MIN_KEY_CHARACTERS})`,
      "make one, for instance by: openssl rand -base64 48",
    );
  return key;
}

/** @param webhook a URL, or the file that has it: it may hold a secret */
function urlOf(webhook: string): string {
  if (!webhook.startsWith("/")) return webhook;
  const url = readUrl(readPrivateText("webhook", webhook).trim());
  if (url) return url;
  throw fail.config(
    `webhook '${webhook}' holds no https URL`,
    "put the URL alone into it, without a password",
  );
}

/** Without the URL. */
const reachReason = (error: unknown): string =>
  fetchReason(error).replace(/https?:\/\/\S+/g, "…");
