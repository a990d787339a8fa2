/** Reads `session.record: {when: …}`: a condition, or a list of which one is to hold. */
import type { Json } from "../model/event.ts";
import type { RecordWhen } from "../model/recording/when.ts";
import { MOST_WORDS, PATTERNS_TAKES, patterns } from "./values.ts";

export const RECORD_TAKES =
  "true, false, or {when: {component, user, command}}";
const PLACE = ["session", "record"];
const OF = ["component", "user", "command"] as const;
const KNOWN = `known: ${OF.join(", ")}`;

type Report = (path: string[], what: string, hint: string) => void;

/** @returns null when something is wrong with it, which is reported */
export function readRecordWhen(
  node: Json,
  report: Report,
): RecordWhen[] | null {
  const keys = isMapping(node) ? Object.keys(node) : [];
  const odd = keys.find((key) => key !== "when");
  if (odd !== undefined)
    return wrong(report, [odd], "is not a setting", "known: when");
  if (!isMapping(node) || node["when"] === undefined)
    return wrong(report, [], `takes ${RECORD_TAKES}`, `not ${text(node)}`);
  const { when } = node;
  const listed = Array.isArray(when);
  const list = listed ? when : [when!];
  if (list.length === 0 || list.length > MOST_WORDS)
    return wrong(report, ["when"], "takes a condition, or some", KNOWN);
  const read = list.map((item, i) =>
    condition(item, listed ? ["when", `${i}`] : ["when"], report),
  );
  return read.every((item) => item !== null) ? read : null;
}

function condition(
  node: Json,
  path: string[],
  report: Report,
): RecordWhen | null {
  if (!isMapping(node) || Object.keys(node).length === 0)
    return wrong(report, path, "takes keys and patterns", KNOWN);
  const out: RecordWhen = {};
  let right = true;
  for (const [key, value] of Object.entries(node)) {
    const name = OF.find((known) => known === key);
    const read = patterns(value);
    if (name && read) out[name] = read;
    else {
      right = false;
      const place = [...path, key];
      if (!name) wrong(report, place, "is not a setting", KNOWN);
      else
        wrong(report, place, `takes ${PATTERNS_TAKES}`, `not ${text(value)}`);
    }
  }
  return right ? out : null;
}

const isMapping = (node: Json): node is { [key: string]: Json } =>
  node !== null && typeof node === "object" && !Array.isArray(node);

const text = (node: Json) => JSON.stringify(node);

function wrong(
  report: Report,
  path: string[],
  what: string,
  hint: string,
): null {
  report([...PLACE, ...path], what, hint);
  return null;
}
