/**
 * Checks the values of a reported event. The texts are those of the server that the
 * clients were written for: programs match them.
 */
import {
  type Event,
  type JsonObject,
  MAX_DEPTH,
  MAX_EVENT_BYTES,
  MAX_TEXT_BYTES,
  isDeeper,
  isReservedMetadata,
  jsonBytes,
} from "../../model/event.ts";
import { fail } from "../../model/failure.ts";
import { isComponentName } from "../../model/id.ts";

const MAX_PID = 4_194_304;
const MAX_USERNAME = 100;
const MAX_PATH = 500;
/** Of what was sent, as much as a message repeats. */
const MAX_QUOTED = 200;

/** Named texts, each of which may be missing. */
type Given<N extends string> = { [name in N]?: string | undefined };

/** Collects what is wrong with the fields of one report. */
export class Rules {
  private readonly problems: string[] = [];

  /** @throws Failure (refused) saying what is wrong, each field by name */
  check(): void {
    if (this.problems.length > 0) throw fail.refused(this.problems.join("; "));
  }

  /** @returns the value to go on with until the check */
  private fail<T>(field: string, text: string, value: T): T {
    this.problem(field, text);
    return value;
  }

  private problem(field: string, text: string): void {
    this.problems.push(`${field}: ${text}`);
  }

  version(value: string, expected: string): void {
    if (value !== expected)
      this.problem(
        "event_version",
        `Unsupported event version: ${quoted(value)} (expected '${expected}')`,
      );
  }

  /** @param model what the reference calls an event of this kind */
  type(value: string, model: string, ...expected: string[]): void {
    if (!expected.includes(value))
      this.problem(
        "event_type",
        `Invalid event_type for ${model}: ${quoted(value)} (expected '${expected.join("', '")}')`,
      );
  }

  /** One of few words. */
  word<T extends string>(
    field: string,
    value: string,
    expected: readonly T[],
  ): T {
    const found = expected.find((word) => word === value);
    if (found) return found;
    const text = `Input should be '${expected.join("', '")}', not '${quoted(value)}'`;
    return this.fail(field, text, expected[0]!);
  }

  /** Any way to write a UUID, as the canonical one. */
  uuid(field: string, value: string): string {
    const digits = value
      .trim()
      .replace(/^urn:/i, "")
      .replace(/^uuid:/i, "")
      .replace(/^\{(.*)\}$/, "$1")
      .replaceAll("-", "");
    if (!/^[0-9a-f]{32}$/i.test(digits))
      return this.fail(field, `Invalid UUID v4 format: ${quoted(value)}`, "");
    return digits
      .toLowerCase()
      .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  component(value: string): string {
    if (isComponentName(value)) return value;
    const shape = /^[a-zA-Z0-9_-]+$/.test(value)
      ? "String should have at most 100 characters"
      : `Invalid component_name '${quoted(value)}': must match pattern ^[a-zA-Z0-9_-]+$`;
    return this.fail("component_name", shape, "");
  }

  /** A real time, as UTC with milliseconds. */
  time(field: string, value: string): string {
    const parts = TIME.exec(value);
    const utc = parts && utcOf(parts);
    if (utc) return utc;
    const why = parts
      ? "no such date or time; "
      : hasNoTime(value)
        ? "missing time component; "
        : "";
    return this.fail(field, wrongTime(value, why), "");
  }

  /** What only looks like a time is brought to the nearest one that is. */
  looseTime(field: string, value: string): string {
    const parts = TIME.exec(value);
    const why = hasNoTime(value) ? "missing time component; " : "";
    if (!parts) return this.fail(field, wrongTime(value, why), "");
    return utcOf(clamped(parts)) ?? this.fail(field, wrongTime(value, ""), "");
  }

  pid(value: number): number {
    return this.number("pid", value, 1, MAX_PID);
  }

  number(field: string, value: number, min: number, max: number): number {
    if (value >= min && value <= max) return value;
    const bound =
      value < min
        ? `greater than or equal to ${min}`
        : `less than or equal to ${max}`;
    return this.fail(field, `Input should be ${bound}`, min);
  }

  /** A text of so many characters. */
  length(field: string, value: string, min: number, max: number): string {
    const many = value.length > max * 2 ? Infinity : [...value].length;
    if (many >= min && many <= max) return value;
    const bound = many < min ? `at least ${min}` : `at most ${max}`;
    return this.fail(field, `String should have ${bound} characters`, value);
  }

  user({ username, home }: Given<"username" | "home">) {
    return {
      username: this.text("user.username", username, MAX_USERNAME).trim(),
      home: this.text("user.home", home, MAX_PATH).trim(),
    };
  }

  environment(given: Given<"python_version" | "platform" | "cwd">) {
    const { python_version, platform, cwd } = given;
    return {
      python_version: this.text("environment.python_version", python_version),
      platform: this.text("environment.platform", platform),
      cwd: this.text("environment.cwd", cwd, MAX_PATH),
    };
  }

  /** @param max in characters, as Python counts them */
  private text(
    field: string,
    value: string | undefined,
    max: number = Infinity,
  ): string {
    if (value === undefined) return this.fail(field, "Field required", "");
    if (value.length <= max || [...value].length <= max) return value;
    return this.fail(field, `String should have at most ${max} characters`, "");
  }

  /** The bounds of any event. */
  bounds(event: Event): void {
    if (isDeeper(event))
      return this.problem("metadata", `nested deeper than ${MAX_DEPTH} levels`);
    const long = longText(event, "");
    if (long) this.problem(long, `a text of more than ${MAX_TEXT_BYTES} bytes`);
    const bytes = jsonBytes(event);
    if (bytes > MAX_EVENT_BYTES)
      this.problem(
        "event",
        `${bytes} bytes as JSON are more than ${MAX_EVENT_BYTES}; send less metadata`,
      );
  }
}

/** Metadata as it was given, without the names that decide what a session is. */
export function givenMetadata(
  given: JsonObject | null | undefined,
): JsonObject {
  return Object.fromEntries(
    Object.entries(given ?? {}).filter(([key]) => !isReservedMetadata(key)),
  );
}

/** What was sent, short enough for a message. */
function quoted(value: string): string {
  return value.length > MAX_QUOTED ? `${value.slice(0, MAX_QUOTED)}…` : value;
}

/** The name of a field whose text is too long, names joined by dots. */
function longText(value: unknown, name: string): string | null {
  if (typeof value === "string")
    return value.length * 3 > MAX_TEXT_BYTES &&
      Buffer.byteLength(value) > MAX_TEXT_BYTES
      ? name
      : null;
  if (typeof value !== "object" || value === null) return null;
  for (const [key, inner] of Object.entries(value)) {
    const path = name ? `${name}.${quoted(key)}` : quoted(key);
    const found = longText(inner, path);
    if (found !== null) return found;
  }
  return null;
}

const TIME =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:Z|([+-])(\d{2}):(\d{2}))?$/;

/** A date, and no T after it. */
const hasNoTime = (value: string) => /^\d{4}-\d{2}-\d{2}(?!T)/.test(value);

const wrongTime = (value: string, why: string) =>
  `Invalid ISO 8601 timestamp: ${quoted(value)} (${why}expected format: 2026-02-06T12:34:56.789Z)`;

/** @returns null when there is no such moment, or none with a year of four digits */
function utcOf(parts: readonly (string | undefined)[]): string | null {
  const [, Y, M, D, h, m, s, fraction = "", sign, zh = "0", zm = "0"] = parts;
  const wall = `${Y}-${M}-${D}T${h}:${m}:${s}`;
  const ms = fraction.slice(0, 3).padEnd(3, "0");
  const read = Date.parse(`${wall}.${ms}Z`);
  // The 30th of February would pass for the 2nd of March.
  if (Number.isNaN(read) || !new Date(read).toISOString().startsWith(wall))
    return null;
  if (Number(zh) > 23 || Number(zm) > 59) return null;
  const offset_ms = (Number(zh) * 60 + Number(zm)) * 60_000;
  const utc = read + (sign === "-" ? offset_ms : -offset_ms);
  if (utc < YEAR_ONE || utc >= YEAR_10000) return null;
  return new Date(utc).toISOString();
}

const YEAR_ONE = Date.parse("0001-01-01T00:00:00Z");
const YEAR_10000 = Date.parse("9999-12-31T23:59:59.999Z") + 1;

function clamped(parts: readonly (string | undefined)[]): string[] {
  const [, Y, M, D, h, m, s, fraction = "", sign, zh = "0", zm = "0"] = parts;
  const within = (value: string | undefined, min: number, max: number) =>
    String(Math.min(Math.max(Number(value), min), max));
  const year = within(Y, 1, 9_999).padStart(4, "0");
  const month = within(M, 1, 12).padStart(2, "0");
  // The calendar repeats every 400 years; those before 100 would mean 19xx.
  const leap = 2_000 + (Number(year) % 400);
  const days = new Date(Date.UTC(leap, Number(month), 0)).getUTCDate();
  const two = (value: string | undefined, min: number, max: number) =>
    within(value, min, max).padStart(2, "0");
  const zone = [sign ?? "+", two(zh, 0, 23), two(zm, 0, 59)];
  const clock = [two(h, 0, 23), two(m, 0, 59), two(s, 0, 59)];
  return ["", year, month, two(D, 1, days), ...clock, fraction, ...zone];
}
