/** The metadata of a session: given, measured, and the keys that every session has. */
import {
  type JsonObject,
  MEASURED_KEYS,
  RECORDING,
  RESOURCE_USAGE,
  isReservedMetadata,
} from "./event.ts";
import type { EndFacts, Register, State } from "./state.ts";

/** Every session has these, printed first; a given value beats a measured one. */
const REPORT_KEYS = [
  "version",
  "adapters",
  "cli_preprocessing_enabled",
  "tab_completion_enabled",
  "command_tree_size",
] as const;

/** Metadata for a row, without unknown values. */
export function metadataJson(metadata: JsonObject): string {
  const known = Object.create(null) as JsonObject;
  for (const [key, value] of Object.entries(metadata))
    if (value !== null) known[key] = value;
  return JSON.stringify(known);
}

const UNKNOWN: JsonObject = Object.fromEntries(
  [...REPORT_KEYS, ...MEASURED_KEYS].map((key) => [key, null]),
);

/** Metadata from a row, with the keys that every session has. */
export function parseMetadata(json: string): JsonObject {
  return { ...UNKNOWN, ...(JSON.parse(json) as JsonObject) };
}

/** The report's keys, then what was measured, then the rest by name. */
export function metadataOf(
  { start, given, measured, command_count, clock_skew }: State,
  end: Register<EndFacts> | null,
): JsonObject {
  const out = Object.create(null) as JsonObject;
  for (const key of REPORT_KEYS)
    out[key] = given[key]?.value ?? measured[key]?.value ?? null;
  // A wrapper knows that there are none; a client did not say.
  if (start?.value.lease_seconds === undefined) out["adapters"] ??= [];
  const facts: JsonObject = {
    exit_code: end?.value.exit_code ?? null,
    signal: end?.value.signal ?? null,
  };
  if (command_count) facts["command_count"] = command_count;
  for (const key of MEASURED_KEYS)
    out[key] = key in facts ? facts[key]! : (measured[key]?.value ?? null);
  for (const key of [RESOURCE_USAGE, RECORDING]) {
    const value = measured[key]?.value;
    if (value !== undefined) out[key] = value;
  }
  const rest = new Set([...Object.keys(measured), ...Object.keys(given)]);
  for (const key of [...rest].sort())
    if (!(key in out) && !isReservedMetadata(key))
      out[key] = given[key]?.value ?? measured[key]?.value ?? null;
  const skewed =
    clock_skew ??
    start?.value.received?.clock_skew ??
    end?.value.received?.clock_skew;
  if (skewed || (start && end && end.timestamp < start.timestamp))
    out["clock_skew"] = true;
  return out;
}
