/**
 * Where a server sends every event to: `export_to` of a configuration file. A type of
 * destination is a row here; what it does is in src/forward/.
 */
import type { Json } from "../model/event.ts";
import { type Parse, oneOf, path, wholeNumber } from "./values.ts";

interface Common {
  /** Which events: all that are stored, or what arrives once it is set. */
  since: "start" | "now";
}

/** A file of NDJSON that is rotated by its size. */
export interface FileDestination extends Common {
  type: "file";
  path: string;
  max_bytes: number;
  /** Older ones that are kept: `path.1` is the newest of them. */
  files: number;
}

export type DestinationSettings = FileDestination;
type Type = DestinationSettings["type"];

interface Field {
  takes: string;
  parse: Parse<unknown>;
  /** Left out where it has to be given. */
  default?: unknown;
}

const MIB = 1024 ** 2;
const ABSOLUTE = "an absolute path";

const COMMON: Record<string, Field> = {
  since: {
    takes: "start (all that is stored) or now",
    parse: oneOf("start", "now"),
    default: "start",
  },
};

export const DESTINATIONS: Readonly<
  Record<Type, Readonly<Record<string, Field>>>
> = {
  file: {
    path: { takes: ABSOLUTE, parse: path },
    max_bytes: {
      takes: "a whole number of bytes from 65536 on",
      parse: wholeNumber(64 * 1024, 1024 * 1024 * MIB),
      default: 64 * MIB,
    },
    files: {
      takes: "a whole number from 0 to 1000",
      parse: wholeNumber(0, 1_000),
      default: 5,
    },
    ...COMMON,
  },
};

const TYPES = Object.keys(DESTINATIONS);
const NAME = /^[a-z][a-z0-9_-]{0,39}$/;
const MOST = 16;

type Report = (path: string[], what: string, hint: string) => void;

/**
 * Reads `export_to`; each name of a later file replaces that of an earlier one.
 * @param shown what was given, as a sentence may show it
 */
export function readDestinations(
  node: Json,
  into: Record<string, DestinationSettings>,
  report: Report,
  took: (name: string, path: string[]) => void,
  shown: (value: Json) => string,
): void {
  const place = ["export_to"];
  if (!isGroup(node))
    return report(place, "takes names and keys", "see docs/export-to.md");
  for (const [name, given] of Object.entries(node)) {
    const at = [...place, name];
    if (
      !NAME.test(name) ||
      (!(name in into) && Object.keys(into).length >= MOST)
    )
      report(
        at,
        `is none of at most ${MOST} names of lower-case letters, digits, - and _`,
        "give it another name, such as siem",
      );
    else if (!isGroup(given))
      report(at, "takes keys and values", `at least type: ${TYPES.join(", ")}`);
    else {
      const read = readOne(given, at, report, shown);
      if (read === null) continue;
      into[name] = read;
      took(at.join("."), at);
    }
  }
}

function readOne(
  { type, ...given }: { [key: string]: Json },
  at: string[],
  report: Report,
  shown: (value: Json) => string,
): DestinationSettings | null {
  const fields = TYPES.includes(type as string)
    ? DESTINATIONS[type as Type]
    : null;
  if (!fields) {
    report(
      [...at, "type"],
      `takes ${TYPES.join(", ")}`,
      `not ${shown(type ?? null)}`,
    );
    return null;
  }
  const read: Record<string, unknown> = { type };
  let whole = true;
  for (const key of Object.keys(given))
    if (!Object.hasOwn(fields, key)) {
      whole = false;
      const known = ["type", ...Object.keys(fields)].join(", ");
      report(
        [...at, key],
        `is no setting of a ${String(type)}`,
        `known: ${known}`,
      );
    }
  for (const [key, field] of Object.entries(fields)) {
    const value = given[key];
    const parsed =
      value === undefined && "default" in field
        ? field.default
        : value === undefined
          ? undefined
          : field.parse(value);
    if (parsed === undefined) {
      whole = false;
      report(
        value === undefined ? at : [...at, key],
        `${value === undefined ? `needs ${key}: it ` : ""}takes ${field.takes}`,
        value === undefined ? "add it" : `not ${shown(value)}`,
      );
    } else read[key] = parsed;
  }
  return whole ? (read as unknown as DestinationSettings) : null;
}

const isGroup = (node: Json): node is { [key: string]: Json } =>
  typeof node === "object" && node !== null && !Array.isArray(node);
