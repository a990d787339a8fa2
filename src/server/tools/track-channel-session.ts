/**
 * track_channel_session: a conversation on a chat channel began, goes on or
 * ended.
 */
import { z } from "zod";
import { EVENT_VERSION, type SessionStart } from "../../model/event.ts";
import { isoTime } from "../../model/clock.ts";
import { namedUuid } from "../../model/id.ts";
import { type Provenance, reporterOf } from "../../model/reporter.ts";
import {
  CHANNEL_EVENTS,
  Channels,
  type Report,
  SCOPES,
  channelSessionId,
  keyOf,
} from "./channels.ts";
import {
  integer,
  metadata,
  orNull,
  text,
  timestamp,
  tracked,
} from "./fields.ts";
import { Rules, givenMetadata } from "./rules.ts";
import { countOne } from "./telemetry.ts";
import { tool } from "./tool.ts";

const VERSION = "2.0";
/** In characters. */
const MAX_EVENT_ID = 200;
const MAX_PREVIEW = 200;
const MAX_COUNT = 1_000_000_000;

const input = z.strictObject({
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
});

type Args = z.output<typeof input>;

export const trackChannelSession = tool({
  name: "track_channel_session",
  title: "Track a conversation on a channel",
  description:
    'Records that a conversation on a chat channel began, goes on or ended. The conversation is known by channel, sender, scope and thread, so no id has to be kept. Example: {"event_id":"550e8400-e29b-41d4-a716-446655440000","event_type":"channel_session_start","channel_type":"slack","channel_id":"C01","sender_id":"U01","timestamp":"2026-02-06T12:34:56Z"}',
  access: "record",
  input,
  output: z.object({
    ...tracked("tracked", "ended", "not_found", "error"),
    event_id: orNull,
  }),
  run({ recorder }) {
    const channels = new Channels(recorder);
    return async (args, { from, received_ms }) => {
      const rules = new Rules();
      const report = reportOf(args, from, rules);
      const start = startOf(report);
      rules.bounds(start);
      rules.check();
      const now = isoTime(received_ms);
      const done = await channels.track(report, start, from, now);
      const [session_id, status] = done;
      return { session_id, event_id: args.event_id, status, error: null };
    };
  },
  count: ({ event_type, component_name }, result) =>
    countOne(kindOf(event_type), component_name, result),
  failed: {
    sentence: "Channel session tracking failed",
    sent: ({ event_id }) => ({ session_id: null, event_id }),
  },
});

/** Of the few that there are, whatever was sent. */
const kindOf = (event_type: string): string =>
  CHANNEL_EVENTS.find((kind) => kind === event_type) ?? "channel";

function reportOf(args: Args, from: Provenance, rules: Rules): Report {
  rules.version(args.event_version ?? VERSION, VERSION);
  rules.length("event_id", args.event_id, 1, MAX_EVENT_ID);
  rules.type(args.event_type, "ChannelSessionEvent", ...CHANNEL_EVENTS);
  const scope = args.session_scope ?? "conversation";
  const session_scope = rules.word("session_scope", scope, SCOPES);
  const timestamp = rules.time("timestamp", args.timestamp);
  const { channel_type, channel_id, sender_id } = args;
  const { thread_id = null, workspace = null, platform = null } = args;
  const channel = {
    ...{ channel_type, channel_id, sender_id, session_scope },
    ...{ thread_id, workspace, platform },
    message_preview: preview(args.message_preview),
    message_count: messages(args, rules),
  };
  const key = keyOf(channel, timestamp);
  const said = [reporterOf(from), key, args.event_type, args.event_id];
  return {
    kind: args.event_type as Report["kind"],
    // Clients number theirs as they like, each from the beginning perhaps.
    event_id: namedUuid(JSON.stringify(said)),
    timestamp,
    component_name: rules.component(args.component_name ?? "nanobot"),
    key,
    channel,
    metadata: givenMetadata(args.metadata),
  };
}

/** An end that does not say how many leaves what is known. */
function messages(
  { message_count, event_type }: Args,
  rules: Rules,
): number | null {
  if (message_count !== undefined)
    return rules.number("message_count", message_count, 0, MAX_COUNT);
  return event_type === "channel_session_end" ? null : 1;
}

/** At most 200 characters, none of them cut. */
function preview(text: string | undefined): string | null {
  if (text === undefined) return null;
  return text.length > MAX_PREVIEW
    ? [...text.slice(0, MAX_PREVIEW * 2)].slice(0, MAX_PREVIEW).join("")
    : text;
}

function startOf(report: Report): SessionStart {
  const { channel, event_id } = report;
  return {
    event_version: EVENT_VERSION,
    event_id,
    event_type: "session_start",
    session_id: channelSessionId(report.key, event_id, 0),
    timestamp: report.timestamp,
    session_type: "channel",
    component_name: report.component_name,
    shell_type: String(channel["channel_type"]),
    hostname: "",
    // No process is behind it.
    pid: 0,
    user: { username: String(channel["sender_id"]), home: "" },
    environment: {
      python_version: null,
      platform: String(channel["platform"] ?? ""),
      cwd: "",
    },
    lease_seconds: null,
    metadata: { ...report.metadata, ...channel },
  };
}
