/**
 * The schemas of events, for spool files and the wire. Unknown kinds and fields pass
 * through; every field that a fold reads is checked.
 */
import { z } from "zod";
import { isSessionId } from "./id.ts";
import { type JsonObject, MAX_DEPTH, isDeeper } from "./json-value.ts";
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

/** Unknown fields pass through, and are not in the type. */
const loose = <Shape extends z.core.$ZodShape>(
  shape: Shape,
): z.ZodObject<Shape, z.core.$strip> => z.looseObject(shape);

/** Left out, or null, or a value. */
const maybe = <T extends z.ZodType>(schema: T) =>
  schema.nullable().exactOptional();

const ISO_TIME =
  /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;

/** There is no year 0 in SQL. */
const YEAR_ONE = "0001";

/** A real time, made UTC with milliseconds. */
const timestamp = text.transform((value, context) => {
  const utc = toUtc(value);
  if (utc && utc >= YEAR_ONE) return utc;
  context.addIssue(`'${value}' is not an ISO 8601 time with a zone`);
  return z.NEVER;
});

function toUtc(value: string): string | null {
  if (isUtc(value)) return value;
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

function isUtc(value: string): boolean {
  const time = value.length === 24 ? Date.parse(value) : NaN;
  return !Number.isNaN(time) && new Date(time).toISOString() === value;
}

const base = {
  /** The rules of redaction that hit, before it was written; `user:NAME`: removed since. */
  redacted_by: z.array(text).exactOptional(),
  event_version: z.literal("1.0"),
  /** UUIDv4 on session_start, v7 on the rest. */
  event_id: z.guid().transform((id) => id.toLowerCase()),
  session_id: text.refine(isSessionId, "not a session id"),
  event_type: text.min(1).max(100),
  timestamp,
};

const kind = <Kind extends string, Shape extends z.core.$ZodShape>(
  event_type: Kind,
  shape: Shape,
) => loose({ ...base, event_type: z.literal(event_type), ...shape });

const later = {
  metadata: object.exactOptional(),
  measured: object.exactOptional(),
  python_version: text.exactOptional(),
};

/** What tells a command from the others of its session, and where it ran. */
const shellCommand = {
  /** Counted by its shell. */
  seq: count.exactOptional(),
  /** Of its shell. */
  pid: pid.exactOptional(),
  /** Microseconds since the epoch: tells that shell from another of the same pid. */
  shell_started_us: count.exactOptional(),
  cwd: maybe(text),
};

const KINDS = {
  session_start: kind("session_start", {
    session_type: text,
    component_name: text,
    shell_type: text,
    hostname: text,
    /** The recording process; the session's own once a `process` event says it. */
    pid,
    ppid: maybe(ppid),
    /** Clock ticks between boot and the start of `pid` (/proc/PID/stat, field 22). */
    start_ticks: maybe(count),
    user: loose({ username: text, home: text }),
    environment: loose({
      python_version: text.nullable(),
      platform: text,
      cwd: text,
    }),
    tty: maybe(text),
    name: maybe(text),
    reason: maybe(text),
    tags: z.array(text).exactOptional(),
    /** argv of the wrapped program. */
    command: z.array(text).exactOptional(),
    parent_session_id: maybe(text),
    /** The id that the environment held although its session is no ancestor. */
    inherited_session_id: maybe(text),
    /** `none`: written without FFI; the lock of the file says nothing. */
    lock: z.enum(["flock", "none"]).exactOptional(),
    /** Of `pid` and `start_ticks`; of a client's, when the server could look it up. */
    pid_namespace: maybe(text),
    boot_id: maybe(text),
    metadata: object,
    /** What the recorder found out by itself: below any metadata given to it. */
    measured: object.exactOptional(),
  }),
  /** The wrapped child, known once it runs. */
  process: kind("process", {
    pid,
    ppid,
    start_ticks: count.nullable(),
    /** `pid:[4026531836]`, as /proc/self/ns/pid reads; null when unreadable. */
    pid_namespace: text.nullable(),
    boot_id: text.nullable(),
  }),
  /** A command that a shell was given. */
  command_start: kind("command_start", {
    ...shellCommand,
    /** null where the shell keeps it to itself, or it is withheld. */
    text: maybe(text),
    /** The bytes of a text that is not UTF-8, which `text` shows as well as it can. */
    text_base64: maybe(text),
    truncated_bytes: count.exactOptional(),
    /** `private`, `withheld`, `removed`, or `redacted:` and the rules that did. */
    mark: maybe(text),
    /** How many shells are around its own in the session. */
    depth: maybe(count),
  }),
  command_end: kind("command_end", {
    ...shellCommand,
    exit_code: maybe(z.int().min(0).max(255)),
    /** Of each command of a pipeline. */
    pipe_status: maybe(z.array(z.int().min(0).max(255))),
    duration_ms: maybe(z.number().nonnegative()),
  }),
  annotation: kind("annotation", {
    ...later,
    name: maybe(text),
    add_tags: z.array(text).exactOptional(),
    remove_tags: z.array(text).exactOptional(),
    note: maybe(text),
  }),
  session_end: kind("session_end", {
    end_source: z.enum(["observed", "declared", "recovered"]),
    exit_code: z.int().min(0).max(255).nullable(),
    /** `SIGKILL`; `SIG34` for a real-time signal; null when it exited. */
    signal: text.nullable(),
    ...later,
  }),
  /** Says that texts were removed afterwards; `redacted_by` says by whom. */
  redaction: kind("redaction", {
    /** The event whose text went; absent: those of the whole session. */
    of: z.guid().exactOptional(),
    /** Of the whole session what happened until then. */
    up_to: text.exactOptional(),
    /** What its terminal showed was removed, too. */
    recording: z.literal(true).exactOptional(),
  }),
  /** Somebody looks at what the session's terminal showed, or shows. */
  watch_start: kind("watch_start", {
    /** A token's subject, or a user. */
    watcher: text,
    /** From where; null for this host's own terminal. */
    address: text.nullable(),
  }),
  /** The same one looks no more. */
  watch_end: kind("watch_end", {
    /** Its start. */
    of: z.guid(),
  }),
  /** A sign of life from another host: it moves last_seen and is not stored. */
  heartbeat: kind("heartbeat", {}),
};

/** A kind that this version does not know. */
const unknown = loose(base);

/** The kinds of events as they are parsed, by their names. */
export type Parsed = {
  [Kind in keyof typeof KINDS]: z.output<(typeof KINDS)[Kind]>;
};
export type ParsedUnknown = z.output<typeof unknown>;

type ParsedEvent = Parsed[keyof Parsed] | ParsedUnknown;

const kinds = new Map<string, z.ZodType<ParsedEvent>>(Object.entries(KINDS));

/**
 * One line of a spool file.
 * @param bytes the line without its newline
 * @throws Error with the reason, in a few words
 */
export function parseEventLine(bytes: Uint8Array): ParsedEvent {
  return parseEvent(JSON.parse(utf8.decode(bytes)));
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * One event, out of its JSON.
 * @throws Error with the reason, in a few words
 */
export function parseEvent(value: unknown): ParsedEvent {
  if (isDeeper(value))
    throw new Error(`nested deeper than ${MAX_DEPTH} levels`);
  const kind = (value as { event_type?: unknown } | null)?.event_type;
  const schema = typeof kind === "string" ? kinds.get(kind) : undefined;
  const result = (schema ?? unknown).safeParse(value);
  if (result.success) return result.data;
  const [first] = result.error.issues;
  throw new Error(inWords([first!], value, { whole: "line" }));
}
