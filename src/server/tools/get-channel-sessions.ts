/** get_channel_sessions: conversations on chat channels. */
import { z } from "zod";
import { isoTime } from "../../model/clock.ts";
import type { JsonObject } from "../../model/event.ts";
import type { Failure } from "../../model/failure.ts";
import type { SessionFilter } from "../../model/filter.ts";
import { sessionJson } from "../../model/json.ts";
import { STATUSES, type Session } from "../../model/session.ts";
import type { SessionStore } from "../../model/store.ts";
import { SCOPES } from "./channels.ts";
import { count, integer, text } from "./fields.ts";
import { Rules } from "./rules.ts";
import { session } from "./session-filter.ts";
import { tool } from "./tool.ts";

const MAX_ROWS = 200;
const DEFAULT_ROWS = 20;
/** Of the name of a kind of channel, in characters. */
const MAX_TYPE = 200;
/** Read at a time; what the filter of a channel leaves of it is fewer. */
const BATCH = 500;

const input = z.strictObject({
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

type Args = z.output<typeof input>;

export const getChannelSessions = tool({
  name: "get_channel_sessions",
  title: "List conversations on channels",
  description:
    'Conversations that match, newest first. Use it to see who talks on which channel. Example: {"channel_type":"slack","status":"active"}',
  access: "read",
  input,
  output: z.object({
    status: z.enum(["success", "error"]),
    // With success.
    count: count.optional(),
    sessions: z.array(z.object(session)).optional(),
    queried_at: text.optional(),
    // With error.
    error: text.optional(),
  }),
  run:
    ({ store }) =>
    async (args, { received_ms }) => {
      const { limit = DEFAULT_ROWS } = args;
      let filter: SessionFilter;
      try {
        filter = filterOf(args, limit);
      } catch (error) {
        // What is wrong with its arguments is the tool's own answer.
        return { status: "error", error: (error as Failure).message };
      }
      const found = await conversations(store, filter, args, limit);
      return {
        status: "success",
        count: found.length,
        sessions: found.map(rowOf),
        queried_at: isoTime(received_ms),
      };
    },
});

/** @throws Failure (refused) by the rules */
function filterOf(args: Args, limit: number): SessionFilter {
  const { component_name, sender_id, session_scope } = args;
  const rules = new Rules();
  rules.number("limit", limit, 1, MAX_ROWS);
  const status = args.status && rules.word("status", args.status, STATUSES);
  if (session_scope !== undefined)
    rules.word("session_scope", session_scope, SCOPES);
  rules.length("channel_type", args.channel_type ?? "any", 1, MAX_TYPE);
  rules.check();
  return {
    session_type: "channel",
    limit: BATCH,
    ...(status && { status }),
    ...(component_name !== undefined && { component_name }),
    ...(sender_id !== undefined && { username: sender_id }),
  };
}

/** The first of those that match, for the store knows no channels. */
async function conversations(
  store: SessionStore,
  filter: SessionFilter,
  args: Args,
  limit: number,
): Promise<Session[]> {
  const found: Session[] = [];
  for (let whole = true; whole && found.length < limit;) {
    const batch = await Array.fromAsync(store.list(filter));
    whole = batch.length === BATCH;
    if (whole) filter.from = batch.at(-1)!;
    found.push(...batch.filter((session) => isOn(session, args)));
  }
  return found.slice(0, limit);
}

const FILTERS = [
  "channel_type",
  "channel_id",
  "sender_id",
  "session_scope",
  "thread_id",
  "workspace",
  "platform",
] as const;
const FACTS = [...FILTERS, "message_preview", "message_count"] as const;

/** Whether a conversation is on the channel that was asked for. */
const isOn = ({ metadata }: Session, asked: Args) =>
  FILTERS.every(
    (name) => asked[name] === undefined || metadata[name] === asked[name],
  );

function rowOf(session: Session): object {
  const facts: JsonObject = {};
  for (const name of FACTS) facts[name] = session.metadata[name] ?? null;
  return { ...facts, ...sessionJson(session) };
}
