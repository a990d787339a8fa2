/**
 * Where recorded data enters: a line of a spool file becomes an event, or a
 * reason why not. Kinds and fields that this version does not know pass
 * through; of the known ones every field that a fold reads is checked.
 */
import { z } from "zod";
import {
  EVENT_VERSION,
  type Event,
  type JsonObject,
  MAX_DEPTH,
  isDeeper,
} from "./event.ts";
import { isSessionId } from "./id.ts";
import { inWords } from "./words.ts";

const object = z.custom<JsonObject>(
  (value) =>
    typeof value === "object" && value !== null && !Array.isArray(value),
  "expected an object",
);
const text = z.string();
const count = z.int().nonnegative();
/** The kernel's own bound of pids. */
const pid = z.int().positive().max(4_194_304);
const ppid = z.int().nonnegative().max(4_194_304);

const ISO_TIME =
  /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;

/** A real time, made UTC with milliseconds. */
const timestamp = text.transform((value, context) => {
  const utc = toUtc(value);
  if (utc) return utc;
  context.addIssue(`'${value}' is not an ISO 8601 time with a zone`);
  return z.NEVER;
});

function toUtc(value: string): string | null {
  const wall = ISO_TIME.exec(value)?.[1];
  if (!wall) return null;
  // The 30th of February would pass for the 2nd of March.
  const read = Date.parse(`${wall}Z`);
  if (Number.isNaN(read) || !new Date(read).toISOString().startsWith(wall))
    return null;
  const time = Date.parse(value);
  if (Number.isNaN(time)) return null;
  const utc = new Date(time).toISOString();
  // A zone may lead out of the years that are written with four digits.
  return utc.length === 24 ? utc : null;
}

const base = z.looseObject({
  event_version: z.literal(EVENT_VERSION),
  event_id: z.guid().transform((id) => id.toLowerCase()),
  session_id: text.refine(isSessionId, "not a session id"),
  event_type: text.min(1).max(100),
  timestamp,
});

const kinds = new Map<string, z.ZodType>(
  Object.entries({
    session_start: base.extend({
      session_type: text,
      component_name: text,
      shell_type: text,
      hostname: text,
      pid,
      ppid: ppid.nullish(),
      start_ticks: count.nullish(),
      user: z.looseObject({ username: text, home: text }),
      environment: z.looseObject({
        python_version: text.nullable(),
        platform: text,
        cwd: text,
      }),
      tty: text.nullish(),
      name: text.nullish(),
      reason: text.nullish(),
      tags: z.array(text).optional(),
      command: z.array(text).optional(),
      parent_session_id: text.nullish(),
      inherited_session_id: text.nullish(),
      lock: z.enum(["flock", "none"]).optional(),
      pid_namespace: text.nullish(),
      boot_id: text.nullish(),
      metadata: object,
      measured: object.optional(),
    }),
    process: base.extend({
      pid,
      ppid,
      start_ticks: count.nullable(),
      pid_namespace: text.nullable(),
      boot_id: text.nullable(),
    }),
    annotation: base.extend({
      metadata: object.optional(),
      measured: object.optional(),
      python_version: text.optional(),
    }),
    session_end: base.extend({
      end_source: z.enum(["observed", "declared", "recovered"]),
      exit_code: z.int().min(0).max(255).nullable(),
      signal: text.nullable(),
      metadata: object.optional(),
      measured: object.optional(),
      python_version: text.optional(),
    }),
  }),
);

/**
 * One line of a spool file.
 * @param bytes the line without its newline
 * @throws Error with the reason, in a few words
 */
export function parseEventLine(bytes: Uint8Array): Event {
  return parseEvent(
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)),
  );
}

/**
 * One event, out of its JSON.
 * @throws Error with the reason, in a few words
 */
export function parseEvent(value: unknown): Event {
  if (isDeeper(value))
    throw new Error(`nested deeper than ${MAX_DEPTH} levels`);
  const kind = (value as { event_type?: unknown } | null)?.event_type;
  const schema = typeof kind === "string" ? kinds.get(kind) : undefined;
  const result = (schema ?? base).safeParse(value);
  if (result.success) return result.data as Event;
  const [first] = result.error.issues;
  throw new Error(inWords([first!], value, { whole: "line" }));
}
