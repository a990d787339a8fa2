/** The flags by which commands pick sessions, made of the table of filters. */
import { resolve } from "node:path";
import type { COMPARISONS, Given } from "../model/column.ts";
import type { FilterName, HowOf } from "../model/columns.ts";
import type { Zone } from "../model/clock.ts";
import { fail } from "../model/failure.ts";
import {
  FILTERS,
  type FilterArguments,
  type SessionFilter,
  filterOf,
} from "../model/filter.ts";
import { hostNames } from "../os/proc.ts";
import type { Args } from "./args.ts";

/** A session's id is what show-session takes. */
type Picking = Exclude<FilterName, "reference">;
type Flag<N extends string> = N extends `${infer A}_${infer B}`
  ? `${A}-${B}`
  : N;
type FilterFlags = {
  [N in Picking as Flag<N>]: {
    type: (typeof COMPARISONS)[HowOf<N>] extends "flag" ? "boolean" : "string";
    description: string;
  } & ((typeof COMPARISONS)[HowOf<N>] extends "texts"
    ? { multiple: true }
    : object);
};

/** What help calls a value. */
const HINTS: Partial<Record<Given, string>> = {
  time: "time",
  span: "A..B",
  length: "length",
  folder: "folder",
  status: "n",
};

export const FILTER_FLAGS = {
  ...(Object.fromEntries(
    FILTERS.filter(({ name }) => name !== "reference").map(
      ({ flag, given, alias, description, values }) => [
        flag,
        {
          type: given === "flag" ? "boolean" : "string",
          ...(HINTS[given] && { valueHint: HINTS[given] }),
          ...(given === "texts" && { multiple: true }),
          ...(alias && { alias }),
          ...(values && { values }),
          description,
        },
      ],
    ),
  ) as FilterFlags),
  host: { type: "string", description: "A host's name; . is this one" },
  here: {
    type: "boolean",
    description: "Begun on this host, in this folder or below it",
  },
} as const;

/**
 * The filter that flags ask for.
 * @param now in milliseconds since the epoch
 * @throws Failure (usage)
 */
export function filterFrom(
  flags: Args<typeof FILTER_FLAGS>,
  now: number,
  zone: Zone,
): SessionFilter {
  const args: Record<string, unknown> = {};
  for (const { name, flag } of FILTERS)
    args[name] = (flags as Record<string, unknown>)[flag];
  const { here, cwd, host } = flags;
  if (cwd !== undefined) args["cwd"] = folderNamed(cwd);
  if (here && (cwd ?? host) !== undefined)
    throw fail.usage(
      "--here stands for --cwd and --host of this place",
      "leave it out, or them",
    );
  if (host !== undefined) args["host"] = hostNamed(host);
  if (here)
    Object.assign(args, { cwd: thisFolder(), host: hostNamed(THIS_HOST) });
  return filterOf(args as FilterArguments, now, zone);
}

const THIS_HOST = ".";

/** The host that a flag names. */
export const hostNamed = (given: string): string =>
  given === THIS_HOST ? hostNames().hostname : given;

/** The folder that a flag names, whole. @throws Failure (usage) */
export function folderNamed(given: string): string {
  // An unset variable in a script shall not mean this folder.
  if (given === "") throw fail.usage("the folder is empty", "try: --cwd .");
  return resolve(thisFolder(given), given);
}

/** @throws Failure (usage) where it is gone, and is needed for a path */
function thisFolder(path = "."): string {
  if (path.startsWith("/")) return "/";
  try {
    return process.cwd();
  } catch {
    throw fail.usage(
      "the folder that we are in is gone",
      "try: --cwd /srv/app",
    );
  }
}
