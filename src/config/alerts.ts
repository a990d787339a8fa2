/**
 * Reads the alerts of a configuration: channels that are told, and rules. The
 * wrapper, which needs none of it, does not load this.
 */
import {
  ALERT_KINDS,
  type AlertConfig,
  type AlertKind,
  type AlertRule,
  type Channel,
  LOG_CHANNEL,
} from "../model/alert.ts";
import type { Json, JsonObject } from "../model/event.ts";
import { CHANNEL_FIELDS, COMMON, FIELDS, OF_KIND } from "./alert-fields.ts";
import type { Section } from "./keys.ts";
import { DAY_MS, durationMs } from "./values.ts";

type Report = Section["report"];
type Took = Section["took"];

/** What is wrong over all files. */
type Found = (problem: { path: string[]; what: string; hint: string }) => void;

const NAME = /^[a-z0-9][a-z0-9_-]{0,39}$/;
const MOST_NAMED = 100;
const CHANNEL_KEYS = Object.keys(CHANNEL_FIELDS);

/** Those of each file come on top of the others'; by a name, the later one holds. */
export function readAlerts(
  sections: readonly Section[],
  found: Found,
): AlertConfig {
  const alerts: AlertConfig = {
    max_age_ms: DAY_MS,
    channels: Object.create(null) as Record<string, Channel>,
    rules: Object.create(null) as Record<string, AlertRule>,
    given: { "alerts.max_age": "24h" },
  };
  for (const { node, report, took } of sections)
    readSection(node, alerts, report, took);
  for (const [name, { tell }] of Object.entries(alerts.rules))
    for (const channel of tell)
      if (channel !== LOG_CHANNEL && !(channel in alerts.channels))
        found({
          path: ["alerts", "rules", name, "tell"],
          what: `names '${channel}', which is no channel`,
          hint: `known: ${[LOG_CHANNEL, ...Object.keys(alerts.channels)].join(", ")}`,
        });
  return alerts;
}

function readSection(
  node: Json,
  alerts: AlertConfig,
  report: Report,
  took: Took,
): void {
  const place = ["alerts"];
  const known = "known: channels, rules, max_age";
  if (!isObject(node)) return report(place, "takes channels and rules", known);
  for (const [name, value] of Object.entries(node)) {
    const path = [...place, name];
    if (name === "channels") readNamed(value, path, report, took, channel);
    else if (name === "rules") readNamed(value, path, report, took, rule);
    else if (name === "max_age") {
      const ms = durationMs(value);
      if (ms === undefined)
        report(path, "takes a duration such as 24h", `not ${said(value)}`);
      else {
        alerts.max_age_ms = ms;
        alerts.given["alerts.max_age"] = value;
        took("alerts.max_age", path);
      }
    } else report(path, "is not a setting", known);
  }

  function channel(name: string, body: JsonObject, path: string[]): boolean {
    if (name === LOG_CHANNEL) {
      report(path, "is the server's log", "give it another name");
      return false;
    }
    const read = readFields(body, path, CHANNEL_KEYS, report);
    if (!read) return false;
    const { webhook, command, key_file = null } = read;
    if ((webhook === undefined) === (command === undefined)) {
      report(path, "takes a webhook, or a command", "give one of them");
      return false;
    }
    const given = { timeout: "10s", retry: "1s", retry_for: "24h", ...body };
    const fields = readFields(given, path, CHANNEL_KEYS, report)!;
    alerts.channels[name] = (
      webhook === undefined ? fields : { ...fields, key_file }
    ) as Channel;
    alerts.given[path.join(".")] = { ...given, ...masked(webhook) };
    return true;
  }

  function rule(name: string, body: JsonObject, path: string[]): boolean {
    const { when, ...rest } = body;
    if (typeof when !== "string" || !Object.hasOwn(OF_KIND, when)) {
      const kinds = Object.keys(ALERT_KINDS).join(", ");
      report([...path, "when"], `takes one of ${kinds}`, `not ${said(when)}`);
      return false;
    }
    const kind = when as AlertKind;
    const { takes, needs } = OF_KIND[kind];
    const read = readFields(rest, path, [...takes, ...COMMON], report);
    if (!read) return false;
    if (needs && !needs.some((field) => field in rest)) {
      report(path, `needs ${needs.join(" or ")}`, `for when: ${kind}`);
      return false;
    }
    const given = { tell: [LOG_CHANNEL], at_most: 20, per: "1h", ...rest };
    const fields = readFields(given, path, [...takes, ...COMMON], report)!;
    alerts.rules[name] = { ...fields, when: kind } as AlertRule;
    alerts.given[path.join(".")] = { when, ...given };
    return true;
  }
}

function readNamed(
  node: Json,
  place: string[],
  report: Report,
  took: Took,
  read: (name: string, body: JsonObject, path: string[]) => boolean,
): void {
  const hint = "see: session-buddy alerts --help";
  if (!isObject(node)) return report(place, "takes names and keys", hint);
  if (Object.keys(node).length > MOST_NAMED)
    return report(place, `takes at most ${MOST_NAMED} names`, hint);
  for (const [name, body] of Object.entries(node)) {
    const path = [...place, name];
    if (!NAME.test(name))
      report(
        path,
        "needs a name of lower-case letters, digits, - and _",
        "at most 40 characters",
      );
    else if (!isObject(body)) report(path, "takes keys and values", hint);
    else if (read(name, body, path)) took(path.join("."), path);
  }
}

function readFields(
  body: JsonObject,
  place: string[],
  known: string[],
  report: Report,
): Record<string, unknown> | null {
  const read: Record<string, unknown> = {};
  let whole = true;
  for (const [name, value] of Object.entries(body)) {
    const path = [...place, name];
    const field = known.includes(name)
      ? (FIELDS[name] ?? CHANNEL_FIELDS[name])
      : undefined;
    const parsed = field?.parse(value!);
    if (parsed !== undefined) read[field!.as ?? name] = parsed;
    else if (field) report(path, `takes ${field.takes}`, `not ${said(value)}`);
    else report(path, "is not a setting here", `known: ${known.join(", ")}`);
    whole &&= parsed !== undefined;
  }
  return whole ? read : null;
}

/** What comes after a webhook's host may be a secret. */
const masked = (webhook: unknown) =>
  webhook === undefined ? {} : { webhook: nameOf(webhook as string) };

/** A webhook as it may be shown: its file, or its host. */
export function nameOf(webhook: string): string {
  const url = URL.parse(webhook);
  return url ? `${url.origin}/…` : webhook;
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What was given, but for what a URL keeps secret. */
const said = (value: Json | undefined) =>
  value === undefined
    ? "nothing"
    : JSON.stringify(value).replace(/(:\/\/)[^"]*/g, "$1…");
