/** Redaction of an event that was sent: of all in it that is free text. */
import type { Event, Json, JsonObject } from "../event.ts";
import type { Choice } from "./custom.ts";
import { couldHold } from "./suspect.ts";
import { Redactor } from "./values.ts";

/** What is measured, chosen from few, or names a place, a person or a process. */
export const PLAIN: ReadonlySet<string> = new Set([
  ...["event_version", "event_id", "event_type", "session_id", "timestamp"],
  ...["session_type", "component_name", "shell_type", "hostname", "user"],
  ...["environment", "tty", "pid", "ppid", "start_ticks", "pid_namespace"],
  ...["boot_id", "lock", "parent_session_id", "inherited_session_id", "cwd"],
  ...["measured", "python_version", "end_source", "exit_code", "signal"],
  ...["lease_seconds", "truncated_bytes", "received", "redacted_by", "mark"],
  ...["seq", "depth", "pipe_status", "duration_ms", "of", "up_to"],
]);

/** The same event where nothing was found; else another that says which rules hit. */
export function redactEvent<E extends Event>(event: E, choice: Choice): E {
  const given = event as unknown as JsonObject;
  const texts = Object.keys(given).filter(
    (key) => !PLAIN.has(key) && holdsText(given[key]),
  );
  if (texts.length === 0) return event;
  // A key and its value stand beside each other as a variable's do.
  const all = JSON.stringify(texts.map((key) => given[key]))
    .replaceAll('":', "=")
    .toLowerCase();
  if (
    !couldHold(all) &&
    !("text_base64" in given) &&
    !choice.patterns.some(({ word }) => all.includes(word))
  )
    return event;
  const redactor = new Redactor(choice);
  const changed: JsonObject = {};
  for (const key of texts)
    changed[key] = redactField(redactor, key, given[key]!);
  if (redactor.rules.size === 0) return event;
  const redacted_by = [...redactor.rules];
  return { ...event, ...changed, redacted_by, ...markOf(event, redacted_by) };
}

/** Whether there is anything in a value. */
const holdsText = (value: Json | undefined): boolean =>
  typeof value === "object" && value !== null
    ? Object.keys(value).length > 0
    : typeof value === "string" && value !== "";

function redactField(redactor: Redactor, key: string, value: Json): Json {
  if (value === null || typeof value === "boolean") return value;
  if (key === "text_base64" && typeof value === "string")
    return redactBytes(redactor, value);
  if (key === "text" && typeof value === "string") return redactor.text(value);
  if (key === "command" && isWords(value)) return redactor.words(value);
  return redactor.value(key, value);
}

/** A text that is not UTF-8. */
function redactBytes(redactor: Redactor, value: string): string {
  const text = Buffer.from(value, "base64").toString("latin1");
  const kept = redactor.text(text);
  return kept === text ? value : Buffer.from(kept, "latin1").toString("base64");
}

const isWords = (value: Json): value is string[] =>
  Array.isArray(value) && value.every((word) => typeof word === "string");

/** A command's own mark, as the hooks of its shell would have set it. */
function markOf(event: Event, rules: readonly string[]): { mark?: string } {
  if (event.event_type !== "command_start") return {};
  if (typeof (event as { mark?: unknown }).mark === "string") return {};
  return {
    mark: rules.includes("withheld")
      ? "withheld"
      : `redacted:${rules.join(",")}`,
  };
}
