/**
 * Parses the values of settings: each parser takes JSON, or the text of a variable.
 * Every start of the wrapper loads this, as it does keys.ts.
 */
import type { Json } from "../model/event.ts";
import { RULE_NAMES } from "../model/redaction/names.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** @returns undefined for what the key does not take */
export type Parse<T> = (value: Json) => T | undefined;

export const boolean: Parse<boolean> = (v) =>
  typeof v === "boolean" ? v : undefined;
export const text: Parse<string> = (v) =>
  typeof v === "string" && v !== "" ? v : undefined;
export const path: Parse<string> = (v) =>
  typeof v === "string" && v.startsWith("/") ? v : undefined;
export const orNull =
  <T>(parse: Parse<T>): Parse<T | null> =>
  (v) =>
    v === null ? null : parse(v);
export const oneOf =
  <const T extends string>(...words: T[]): Parse<T> =>
  (v) =>
    words.find((word) => word === v);

/** true and false as environments say them. */
export const flag: Parse<boolean> = (v) => {
  const word = String(v).toLowerCase();
  if (["true", "1", "yes", "on"].includes(word)) return true;
  return ["false", "0", "no", "off"].includes(word) ? false : undefined;
};

const SECOND_MS = 1_000;
export const DAY_MS = 86_400 * SECOND_MS;

/** `30s`, `500ms`, `2m`, `24h`, `7d`, or seconds as a number; in milliseconds. */
export const durationMs: Parse<number> = (value) => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(String(value));
  const unit = { ms: 1, s: SECOND_MS, m: 6e4, h: 36e5, d: DAY_MS }[
    match?.[2] ?? "s"
  ];
  const ms = Number(match?.[1]) * (unit ?? NaN);
  return ms > 0 ? ms : undefined;
};

export const durationUpTo =
  (most_ms: number): Parse<number> =>
  (value) => {
    const ms = durationMs(value);
    return ms !== undefined && ms <= most_ms ? ms : undefined;
  };

export const wholeNumber =
  (least: number, most: number): Parse<number> =>
  (value) => {
    const n = typeof value === "string" && value ? Number(value) : value;
    return Number.isInteger(n) &&
      (n as number) >= least &&
      (n as number) <= most
      ? (n as number)
      : undefined;
  };

export const port: Parse<number | "auto"> = (value) =>
  value === "auto" ? value : wholeNumber(1, 65_535)(value);

const NAME = /^[a-z0-9]([a-z0-9_.-]*[a-z0-9])?\.?$/i;
const IPV6 = /^[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*(%[a-z0-9._-]+)?$/i;
const NAME_LENGTH = 253;

export const host: Parse<string> = (value) => {
  if (typeof value !== "string" || value.length > NAME_LENGTH) return undefined;
  const bare = value.replace(/^\[(.*)\]$/, "$1");
  return IPV6.test(bare) || (NAME.test(value) && bare) ? bare : undefined;
};

/** A server's URL; without a path it is that of MCP. */
export const endpoint: Parse<string> = (value) => {
  const url = typeof value === "string" ? URL.parse(value) : null;
  if (!url || !/^https?:$/.test(url.protocol)) return undefined;
  // What is in a URL is shown and logged.
  if (url.username || url.password || url.hash) return undefined;
  if (url.pathname === "/") url.pathname = "/mcp";
  return url.href;
};

/** Where a PostgreSQL database is; what is in a URL is shown and logged. */
export const databaseUrl: Parse<string> = (value) =>
  typeof value === "string" &&
  /^postgres(ql)?:\/\/([^:@/?#]*@)?[^@?#]*(\?[^#]*)?$/.test(value) &&
  !/[?&]password=/i.test(value)
    ? value
    : undefined;

const MOST_LISTED = 1_000;

export const listOf =
  (parse: Parse<string>): Parse<string[]> =>
  (value) => {
    if (!Array.isArray(value) || value.length > MOST_LISTED) return undefined;
    const items = value.map(parse);
    return items.every((item) => item !== undefined) ? items : undefined;
  };

/** What a Host header may hold, in lower case. */
export const authority: Parse<string> = (value) => {
  const url = typeof value === "string" ? URL.parse(`http://${value}/`) : null;
  const given = String(value).toLowerCase();
  // A URL leaves its default port away, a Host header may have it.
  return url && [url.host, `${url.hostname}:80`].includes(given)
    ? given
    : undefined;
};

export const origin: Parse<string> = (value) =>
  typeof value === "string" && URL.parse(value)?.origin === value
    ? value
    : undefined;

/** Names of rules are lower-case; one that there is not switches nothing off. */
export const ruleName: Parse<string> = (value) =>
  typeof value === "string" && RULE_NAMES.includes(value) ? value : undefined;

export const level: Parse<LogLevel> = (value) => {
  const word = String(value).toLowerCase();
  const levels = oneOf("debug", "info", "warn", "error");
  return levels(word === "warning" ? "warn" : word);
};

export const MOST_WORDS = 100;

/** One text, or a list. */
export const some =
  (parse: Parse<string>): Parse<string[]> =>
  (value) => {
    const list = Array.isArray(value) ? value : [value];
    const read = list.map((item) =>
      typeof item === "number" ? parse(String(item)) : parse(item),
    );
    const whole = read.length > 0 && read.every((item) => item !== undefined);
    return whole && read.length <= MOST_WORDS ? (read as string[]) : undefined;
  };

const glob: Parse<string> = (value) =>
  typeof value === "string" && /^!?[^]{1,200}$/.test(value) && value !== "!"
    ? value
    : undefined;

/** See model/glob.ts. */
export const patterns = some(glob);
export const PATTERNS_TAKES =
  "a text or a list of texts, with * for anything, or ! before it";
