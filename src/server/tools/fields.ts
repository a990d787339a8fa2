/**
 * What the tools take: types, required fields, and that no others exist. What a
 * value may be is said here in words and checked by the handlers, whose answer
 * names it.
 */
import { z } from "zod";
import type { JsonObject } from "../../model/event.ts";
import { ATTESTED } from "../../model/reporter.ts";

export const text = z.string();
export const object = z
  .custom<JsonObject>(
    (value) =>
      typeof value === "object" && value !== null && !Array.isArray(value),
    "expected an object",
  )
  .meta({ type: "object" });
/** Clients in other languages send a number as text, or as 12345.0. */
const lenient = (schema: z.ZodType<number>) =>
  z.preprocess(
    (value) =>
      typeof value === "string" && /^\s*[+-]?\d{1,15}(\.0*)?\s*$/.test(value)
        ? Number(value)
        : value,
    schema,
  );
const integer = lenient(z.int());
/** The same for those that write true and false as text, as Python does too. */
const flag = z.preprocess((value) => {
  const word = typeof value === "string" ? value.toLowerCase() : "";
  return word === "true" ? true : word === "false" ? false : value;
}, z.boolean());

const metadata = object
  .nullish()
  .describe("Anything else worth keeping; null is the same as {}");
const token = text
  .nullish()
  .describe(
    "A bearer token, for clients that cannot send an Authorization header; never stored",
  );
const timestamp = text.describe(
  "YYYY-MM-DDTHH:MM:SS[.fraction][Z|±HH:MM]; without a zone it is UTC",
);
const eventId = text.describe(
  "A UUID, made once by the caller: the same id again changes nothing",
);

const startInput = z.strictObject({
  event_version: text.describe('"1.0"'),
  event_id: eventId,
  event_type: text.describe('"session_start"'),
  component_name: text.describe(
    "What the shell belongs to: letters, digits, _ and -, at most 100",
  ),
  shell_type: text.describe("ipython, bash…; may be empty"),
  timestamp,
  pid: integer.describe("The shell's process id, 1 to 4194304"),
  user: z
    .looseObject({ username: text.optional(), home: text.optional() })
    .describe(
      "username (at most 100 characters) and home (at most 500), both required",
    ),
  hostname: text.describe("May be empty"),
  environment: z
    .looseObject({
      python_version: text.optional(),
      platform: text.optional(),
      cwd: text.optional(),
    })
    .describe(
      "python_version, platform and cwd (at most 500 characters), all required",
    ),
  metadata,
  token,
});

const endInput = z.strictObject({
  session_id: text.describe("As track_session_start gave it"),
  timestamp,
  event_type: text.optional().describe('"session_end"'),
  metadata: metadata.describe(
    "Merged over the start's metadata; null values do not overwrite",
  ),
  token,
});

export const MAX_TRACKED_EVENTS = 1_000;

const eventsInput = z.strictObject({
  sent_at: timestamp.describe(
    "The sender's clock when it sends this, to tell how far it is off",
  ),
  events: z
    .array(object)
    .max(MAX_TRACKED_EVENTS)
    .describe("Events as the spool holds them, and heartbeats; at most 1,000"),
  token,
});

const channelInput = z.strictObject({
  event_id: text.describe(
    "Any text of 1 to 200 characters, made once by the caller: the same id again for the same conversation and event_type changes nothing",
  ),
  event_type: text.describe(
    "channel_session_start, channel_session_end or channel_heartbeat",
  ),
  channel_type: text.describe("slack, telegram, cli…"),
  channel_id: text.describe("The channel, as its platform names it"),
  sender_id: text.describe("Who writes, as the platform names them"),
  timestamp,
  event_version: text.optional().describe('"2.0"'),
  session_scope: text
    .optional()
    .describe("conversation, thread or day; conversation when left out"),
  thread_id: text.optional().describe("The thread, where the channel has some"),
  workspace: text
    .optional()
    .describe("The team or server that the channel is in"),
  platform: text.optional().describe("What the sender uses: web, ios…"),
  message_preview: text.optional().describe("Cut to 200 characters"),
  component_name: text.optional().describe("nanobot when left out"),
  message_count: integer.optional().describe("1 when left out"),
  metadata,
  token,
});

export const status = z.enum(["active", "ended", "lost"]);
const when = (what: string) =>
  text
    .optional()
    .describe(
      `${what}: ISO 8601, a date, today, "yesterday 14:05", "2 hours ago", -2d`,
    );
export const MAX_ROWS = 10_000;
export const DEFAULT_ROWS = 50;
const limit = lenient(z.int().min(1).max(MAX_ROWS)).optional();
const cursor = text
  .optional()
  .describe("next_cursor of the page before; leave it out for the first page");

const sessionFilter = {
  reference: text
    .optional()
    .describe("A session's id, the beginning of one, or its last 8 hex"),
  type: text.optional().describe("admin_shell, channel…"),
  component: text.optional().describe("What the shells belong to"),
  user: text.optional().describe("A user's name"),
  name: text.optional().describe("What the session was named"),
  reporter: text
    .optional()
    .describe("Who reported it: spool, token:SUBJECT or uid:N"),
  attested: z
    .enum(ATTESTED)
    .optional()
    .describe("How host and user are known: spool, uid, token or claimed"),
  status: status.optional().describe("active, ended or lost"),
  incomplete: flag
    .optional()
    .describe("Only sessions whose end nobody saw: active or lost"),
  after: when("Started at or after"),
  before: when("Started before"),
};

const listInput = z.strictObject({
  ...sessionFilter,
  limit: limit.describe("Rows at most, 1 to 10000; 50 when left out"),
  cursor,
});

const getInput = z.strictObject({
  session_id: text.describe(
    "A session's id, a unique beginning of one, its last 8 hex, or its name",
  ),
});

const listEventsInput = z.strictObject({
  session_id: text.optional().describe("Of this session alone"),
  kinds: z
    .array(text)
    .max(20)
    .optional()
    .describe("session_start, command_start, command_end, session_end…"),
  after: when("Happened at or after"),
  before: when("Happened before"),
  after_seq: lenient(z.int().min(0))
    .optional()
    .describe("Only what arrived after the event of this seq, to follow along"),
  limit: limit.describe("Events at most, 1 to 10000; 50 when left out"),
  cursor,
});

const statsInput = z.strictObject(sessionFilter);

export const MAX_CHANNEL_ROWS = 200;

const channelListInput = z.strictObject({
  channel_type: text.optional(),
  channel_id: text.optional(),
  sender_id: text.optional(),
  session_scope: text.optional().describe("conversation, thread or day"),
  thread_id: text.optional(),
  workspace: text.optional(),
  platform: text.optional(),
  component_name: text.optional(),
  status: text.optional().describe("active, ended or lost"),
  limit: integer
    .optional()
    .describe("Rows at most, 1 to 200; 20 when left out"),
});

/** Built once, when this file is loaded: a server is made for every request. */
export const INPUTS = {
  health_check: z.strictObject({}),
  track_session_start: startInput,
  track_session_end: endInput,
  track_events: eventsInput,
  list_sessions: listInput,
  get_session: getInput,
  list_events: listEventsInput,
  session_stats: statsInput,
  track_channel_session: channelInput,
  get_channel_sessions: channelListInput,
};

export type ToolName = keyof typeof INPUTS;

/** What a tool's handler is given. */
export type Args<T extends ToolName> = z.output<(typeof INPUTS)[T]>;
