/**
 * track_session_end: a shell reports that it ended. An end is known by its
 * session, so it may be sent again, and before the session's start.
 */
import { z } from "zod";
import { EVENT_VERSION, type SessionEnd } from "../../model/event.ts";
import { endEventId, isSessionId } from "../../model/id.ts";
import { mayReport } from "../../model/reporter.ts";
import { metadata, text, timestamp, tracked } from "./fields.ts";
import { appendOne } from "./recorder.ts";
import { Rules, givenMetadata } from "./rules.ts";
import { countOne } from "./telemetry.ts";
import { tool } from "./tool.ts";

const input = z.strictObject({
  session_id: text.describe("As track_session_start gave it"),
  timestamp,
  event_type: text.optional().describe('"session_end"'),
  metadata: metadata.describe(
    "Merged over the start's metadata; null values do not overwrite",
  ),
});

export const trackSessionEnd = tool({
  name: "track_session_end",
  title: "Track the end of a shell session",
  description:
    'Records that an admin shell ended. Call it once, when the shell closes, with the session_id that track_session_start gave; a second end changes nothing. Example: {"session_id":"mahavishnu-20260206-123456-550e8400","timestamp":"2026-02-06T13:00:00Z","metadata":{"commands_run":12}}',
  access: "record",
  input,
  output: z.object(tracked("ended", "not_found", "error")),
  run:
    ({ recorder }) =>
    async (args, { from }) => {
      const rules = new Rules();
      const event = endOf(args, rules);
      rules.bounds(event);
      rules.check();
      const { session_id } = event;
      if (!isSessionId(session_id))
        return { session_id, status: "not_found", error: null };
      const summary = await recorder.summary(session_id);
      // One that comes before its start is kept for it. Another's is rejected, and
      // that is counted, also when there is nothing left to end; an archived one's,
      // too.
      if (
        !summary?.ended ||
        summary.archived ||
        !mayReport(summary.reporter, from)
      )
        await appendOne(recorder, event, from);
      const known =
        (summary?.start_event_id ?? null) !== null || summary?.archived;
      return { session_id, status: known ? "ended" : "not_found", error: null };
    },
  count: (_args, result) => countOne("session_end", undefined, result),
  failed: {
    sentence: "Session end tracking failed",
    sent: ({ session_id }) => ({ session_id: namedSession(session_id) }),
  },
});

function endOf(args: z.output<typeof input>, rules: Rules): SessionEnd {
  rules.type(
    args.event_type ?? "session_end",
    "SessionEndEvent",
    "session_end",
  );
  const session_id = namedSession(args.session_id);
  return {
    event_version: EVENT_VERSION,
    event_id: endEventId(session_id),
    event_type: "session_end",
    session_id,
    timestamp: rules.looseTime("timestamp", args.timestamp),
    end_source: "observed",
    exit_code: null,
    signal: null,
    metadata: givenMetadata(args.metadata),
  };
}

/** Some clients send back all that the start gave them, as JSON. */
function namedSession(text: string): string {
  if (!text.trimStart().startsWith("{")) return text;
  try {
    const { session_id } = JSON.parse(text) as { session_id?: unknown };
    return typeof session_id === "string" ? session_id : text;
  } catch {
    return text;
  }
}
