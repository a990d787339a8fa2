/** A stored event as one line of JSON, with who brought it. */
import type { Brought } from "../model/export.ts";
import type { Provenance } from "../model/reporter.ts";
import { parseEvent } from "../model/schema.ts";

const VIA: ReadonlySet<unknown> = new Set(["spool", "tcp", "socket", "stdio"]);

/** @throws Error with the reason, in a few words */
export const parseStored = (text: string): Brought =>
  storedOf(JSON.parse(text));

/** @throws Error with the reason, in a few words */
export function storedOf(value: unknown): Brought {
  const line = value as Record<string, unknown> | null;
  if (typeof line !== "object" || line === null || !("event" in line))
    throw new Error("it has no event");
  const event = parseEvent(line["event"]);
  if (event.event_type === "heartbeat") throw new Error("it is a heartbeat");
  return { event, provenance: provenanceOf(line["provenance"] ?? null) };
}

/** @throws Error where it is not what a store has written */
function provenanceOf(value: unknown): Provenance | null {
  if (value === null) return null;
  const from = value as Record<string, unknown>;
  const isText = (name: string) =>
    from[name] === undefined || typeof from[name] === "string";
  const right =
    typeof value === "object" &&
    VIA.has(from["via"]) &&
    (from["uid"] === null || Number.isSafeInteger(from["uid"])) &&
    (from["subject"] === null || typeof from["subject"] === "string") &&
    (from["address"] === null || typeof from["address"] === "string") &&
    ["reporter", "host", "user"].every(isText) &&
    (from["acts_for_all"] === undefined || from["acts_for_all"] === true) &&
    Object.keys(from).every((name) => KEYS.has(name));
  if (!right) throw new Error("its provenance is not one that a store writes");
  return value as Provenance;
}

const KEYS = new Set([
  ...["via", "uid", "subject", "address", "reporter", "acts_for_all"],
  ...["host", "user"],
]);
