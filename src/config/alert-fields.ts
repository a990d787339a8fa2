/** What rules and channels of alerts take: their keys, and how each is read. */
import type { AlertKind } from "../model/alert.ts";
import type { Json } from "../model/event.ts";
import { isLoopback } from "../os/address.ts";
import {
  DAY_MS,
  MOST_WORDS,
  PATTERNS_TAKES,
  type Parse,
  durationUpTo,
  orNull,
  path,
  patterns,
  some,
  text,
  wholeNumber,
} from "./values.ts";

/** A value of a rule or a channel, and where it goes. */
export interface Field {
  takes: string;
  parse: Parse<unknown>;
  /** Where it is not its own name. */
  as?: string;
}

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const YEAR_MS = 365 * DAY_MS;
const MOST_BYTES = 2 ** 50;

const duration = (name: string): Field => ({
  takes: "a duration such as 30s, 10m or 8h, at most 365d",
  parse: durationUpTo(YEAR_MS),
  as: `${name}_ms`,
});

const PATTERNS: Field = { takes: PATTERNS_TAKES, parse: patterns };
const SIZE: Field = {
  takes: "a number of bytes, such as 500MiB or 10GiB",
  parse: size,
};

const FILTERS = {
  user: PATTERNS,
  host: PATTERNS,
  component: PATTERNS,
  type: PATTERNS,
};

export const FIELDS: Readonly<Record<string, Field>> = {
  ...FILTERS,
  matches: PATTERNS,
  exit: {
    takes: "failed, or an exit status from 0 to 255, or a list of them",
    parse: (value) => (value === "failed" ? value : statuses(value)),
  },
  hours: {
    takes: "hours such as 08:00-18:00, or a list of them",
    parse: (value) => listed(value, hoursOf),
  },
  days: {
    takes: "days such as mon-fri or [mon, wed], in English",
    parse: (value) => listed(value, daysOf)?.flat(),
  },
  zone: { takes: "a time zone such as Europe/Vienna", parse: text },
  than: duration("than"),
  within: duration("within"),
  files: { takes: "a whole number", parse: wholeNumber(0, 1e9) },
  bytes: SIZE,
  file: { takes: "an absolute path", parse: path },
  tell: {
    takes: "names of channels, or log",
    parse: some((v) => (typeof v === "string" ? v : undefined)),
  },
  at_most: {
    takes: "a whole number from 1 to 1000",
    parse: wholeNumber(1, 1_000),
  },
  per: {
    takes: "a duration such as 10m or 1h, at most 7d",
    parse: durationUpTo(7 * DAY_MS),
    as: "per_ms",
  },
};

export const COMMON = ["tell", "at_most", "per"];
const OF_SESSIONS = Object.keys(FILTERS);

/** What a kind takes beside `when`, and what it needs: one of a list. */
export const OF_KIND: Record<AlertKind, { takes: string[]; needs?: string[] }> =
  {
    session_start: { takes: OF_SESSIONS },
    outside_hours: {
      takes: [...OF_SESSIONS, "hours", "days", "zone"],
      needs: ["hours", "days"],
    },
    session_end: { takes: [...OF_SESSIONS, "exit"] },
    session_lost: { takes: OF_SESSIONS },
    session_longer: { takes: [...OF_SESSIONS, "than"], needs: ["than"] },
    command: {
      takes: [...OF_SESSIONS, "matches", "exit"],
      needs: ["matches", "exit"],
    },
    undelivered: { takes: ["than", "host"], needs: ["than"] },
    spool_backlog: { takes: ["files", "bytes"], needs: ["files", "bytes"] },
    database_size: { takes: ["bytes"], needs: ["bytes"] },
    database_growth: { takes: ["bytes", "within"], needs: ["bytes"] },
    server_degraded: { takes: ["than"] },
    host_silent: { takes: ["than", "host"], needs: ["than"] },
    login_without_session: { takes: ["user", "than", "file"] },
  };

export const CHANNEL_FIELDS: Readonly<Record<string, Field>> = {
  webhook: {
    takes:
      "an https URL without a password in it (http to this host alone), or the file that has it",
    parse: (value) => webhook(value) ?? path(value),
  },
  key_file: { takes: "an absolute path, or null", parse: orNull(path) },
  command: {
    takes: "a list of words, the first one an absolute path",
    parse: (value) => {
      if (!Array.isArray(value) || value.length > MOST_WORDS) return undefined;
      const words = value.every((w) => typeof w === "string" && !/\0/.test(w));
      return words && path(value[0]!) ? value : undefined;
    },
  },
  timeout: {
    takes: "a duration such as 10s, at most 5m",
    parse: durationUpTo(5 * MINUTE_MS),
    as: "timeout_ms",
  },
  retry: {
    takes: "a duration such as 1s, at most 1h",
    parse: durationUpTo(HOUR_MS),
    as: "retry_ms",
  },
  retry_for: {
    takes: "a duration such as 24h, at most 365d",
    parse: durationUpTo(YEAR_MS),
    as: "retry_for_ms",
  },
};

/** A webhook's URL: what is told is read by nobody on the way. */
export const webhook: Parse<string> = (value) => {
  const url = typeof value === "string" ? URL.parse(value) : null;
  if (!url || url.username || url.password || url.hash) return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const here = host === "localhost" || isLoopback(host);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && here))
    return undefined;
  return url.href;
};

function size(value: Json): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([KMGT])(?:i?B)?)?$/i.exec(
    String(value),
  );
  const power = " KMGT".indexOf((match?.[2] ?? " ").toUpperCase());
  const bytes = Math.round(Number(match?.[1]) * 1024 ** power);
  return bytes > 0 && bytes <= MOST_BYTES ? bytes : undefined;
}

function listed<T>(value: Json, one: (v: Json) => T | undefined) {
  const list = Array.isArray(value) ? value : [value];
  const read = list.map(one);
  return read.length > 0 && read.every((v) => v !== undefined)
    ? (read as T[])
    : undefined;
}

const statuses = (value: Json) => listed(value, wholeNumber(0, 255));

function hoursOf(value: Json): { from: number; to: number } | undefined {
  const match = /^(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)$/.exec(String(value));
  if (!match) return undefined;
  const [a, b, c, d] = match.slice(1).map(Number) as [
    ...[number, number, number, number],
  ];
  if (b > 59 || d > 59 || a > 23 || c > 24 || (c === 24 && d > 0))
    return undefined;
  return { from: a * 60 + b, to: c * 60 + d };
}

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

function daysOf(value: Json): number[] | undefined {
  const [first, last, more] = String(value).toLowerCase().split("-");
  const from = DAYS.indexOf(first!);
  const to = DAYS.indexOf(last ?? first!);
  if (from < 0 || to < 0 || more !== undefined) return undefined;
  const count = ((to - from + 7) % 7) + 1;
  return Array.from({ length: count }, (_, day) => (from + day) % 7);
}
