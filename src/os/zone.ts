/**
 * Computes the local time zone: TZ in every form that the C library takes, by the C
 * library itself. It takes an unknown zone for UTC without a word, so each is
 * checked first. Without a C library (no JIT) or zone files, the engine's own
 * tables serve for the zones that have a name.
 */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Failure, fail } from "../model/failure.ts";
import { UTC, type Zone } from "../model/clock.ts";
import { readLink } from "./file.ts";
import { cText } from "./layout.ts";
import { cLibrary } from "./libc.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const LOCALTIME = "/etc/localtime";
const ZONES = "/usr/share/zoneinfo";
const MAX_ZONE_BYTES = 1024 * 1024;

/**
 * The zone of an environment. It is looked up when it is first asked.
 * @throws Failure (config), when asked, for a TZ that nothing is known about
 */
export function localZone(env: Environment): Zone {
  let zone: Zone | undefined;
  return (at) => (zone ??= zoneOf(env))(at);
}

function zoneOf(env: Environment): Zone {
  const given = env["TZ"];
  // A colon before a name, a path or a rule changes nothing.
  const text = given?.replace(/^:/, "") ?? LOCALTIME;
  if (text === "") return UTC;
  const path = resolve(env["TZDIR"] || ZONES, text);
  const found = fileAt(path);
  if (given === undefined && found === "nothing") return UTC;
  if (found === "zone" || isRule(text)) {
    const exact = zoneOfC(given);
    if (exact) return exact;
  }
  const named = zoneByName(nameOf(text, path));
  if (named) return named;
  throw unknown(given, found === "zone" || isRule(text));
}

function unknown(given: string | undefined, exists: boolean): Failure {
  const what = given === undefined ? LOCALTIME : `TZ '${given}'`;
  return fail.config(
    exists
      ? `${what} cannot be computed where the engine has no JIT`
      : `${what} is no time zone that is known here`,
    "try: TZ=Europe/Berlin, TZ=UTC0",
  );
}

/** The zone's name where the text is one, or leads below a folder of zones. */
function nameOf(text: string, path: string): string {
  if (!text.startsWith("/")) return text;
  const below = /\/zoneinfo\/(?:posix\/|right\/)?(.+)$/;
  return (below.exec(path) ?? below.exec(endOf(path)))?.[1] ?? "";
}

/** Where a path leads; a link may lead to a zone that is not there. */
function endOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(dirname(path), readLink(path) ?? "");
  }
}

/** What stands at a path: a file of a zone, another thing, or nothing at all. */
function fileAt(path: string): "zone" | "other" | "nothing" {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat) return readLink(path) === null ? "nothing" : "other";
    const isSmall = stat.isFile() && stat.size <= MAX_ZONE_BYTES;
    return isSmall && isZoneFile(readFileSync(path)) ? "zone" : "other";
  } catch {
    return "other";
  }
}

const HEADER_BYTES = 44;

/** Whether a file (RFC 9636) has all that it says it has: of half a file the C library makes UTC. */
function isZoneFile(file: Buffer): boolean {
  const old = blockEnd(file, 0, 4);
  if (old === null) return false;
  const version = file[4]!;
  if (version === 0) return file.length >= old;
  const end = blockEnd(file, old, 8);
  // What holds after the last change stands between two line feeds.
  return end !== null && file[end] === 10 && file.indexOf(10, end + 1) > end;
}

/** @param timeBytes how long a time is; @returns where a block with its header ends */
function blockEnd(file: Buffer, at: number, timeBytes: number): number | null {
  if (file.length < at + HEADER_BYTES) return null;
  if (file.toString("latin1", at, at + 4) !== "TZif") return null;
  // How many there are of each: UTC and standard flags, leap seconds, times, types, letters.
  const sizes = [1, 1, timeBytes + 4, timeBytes + 1, 6, 1];
  const bytes = sizes.map(
    (size, i) => size * file.readUInt32BE(at + 20 + 4 * i),
  );
  return bytes.reduce((sum, each) => sum + each, at + HEADER_BYTES);
}

const NAME = "(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)";
const minutes = ":(?:[0-5]?\\d)";
const OFFSET = `[+-]?(?:2[0-4]|[01]?\\d)(?:${minutes}(?:${minutes})?)?`;
const TIME = `[+-]?(?:16[0-7]|1[0-5]\\d|\\d{1,2})(?:${minutes}(?:${minutes})?)?`;
const DAY =
  "(?:J(?:36[0-5]|3[0-5]\\d|[12]\\d\\d|[1-9]\\d?)|(?:36[0-5]|3[0-5]\\d|[12]\\d\\d|\\d{1,2})|M(?:1[0-2]|0?[1-9])\\.[1-5]\\.[0-6])";
const WHEN = `${DAY}(?:/${TIME})?`;
const RULE = new RegExp(
  `^${NAME}${OFFSET}(?:${NAME}(?:${OFFSET})?(?:,${WHEN},${WHEN})?)?$`,
);

/** POSIX's own form: `NPT-5:45`, `CET-1CEST,M3.5.0,M10.5.0/3`. */
const isRule = (text: string): boolean => RULE.test(text);

const SYMBOLS = {
  setenv: { args: ["ptr", "ptr", "i32"], returns: "i32" },
  unsetenv: { args: ["ptr"], returns: "i32" },
  tzset: { args: [], returns: "void" },
  localtime_r: { args: ["ptr", "ptr"], returns: "ptr" },
} as const;

/** struct tm: tm_gmtoff is the sixth 64-bit word. */
const TM_BYTES = 56;
const TM_GMTOFF = 5;

let calls: ReturnType<typeof cLibrary<typeof SYMBOLS>> | undefined;
/** What the C library computes with just now. */
let current: string | null | undefined = null;

/** @returns null where there is no C library */
function zoneOfC(tz: string | undefined): Zone | null {
  const c = (calls ??= cLibrary(SYMBOLS));
  if (!c) return null;
  const time = new BigInt64Array(1);
  const tm = new BigInt64Array(TM_BYTES / 8);
  return (at) => {
    if (current !== tz) {
      if (tz === undefined) c.unsetenv(cText("TZ"));
      else c.setenv(cText("TZ"), cText(tz), 1);
      c.tzset();
      current = tz;
    }
    time[0] = BigInt(Math.floor(at / 1000));
    c.localtime_r(time, tm);
    return Math.trunc(Number(tm[TM_GMTOFF]) / 60);
  };
}

/** @returns null for a name that the engine does not know */
function zoneByName(timeZone: string): Zone | null {
  // Offsets are names to the engine, with the sign that POSIX does not mean.
  if (!/^[A-Za-z]/.test(timeZone)) return null;
  try {
    const format = new Intl.DateTimeFormat("en-US", {
      ...{ timeZone, timeZoneName: "longOffset" },
    });
    return (at) => offsetIn(format.format(at));
  } catch {
    return null;
  }
}

/** Of `2/6/2026, GMT+05:45`. */
function offsetIn(text: string): number {
  const [, sign, hours, minutes] = /GMT(?:([+-])(\d+):(\d+))?/.exec(text)!;
  if (sign === undefined) return 0;
  return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}
