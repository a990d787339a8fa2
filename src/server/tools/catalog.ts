/**
 * What the tools are called and when to use them, in words for people and for
 * agents. The README's table of tools is made from this.
 */
import type { ToolAnnotations } from "@modelcontextprotocol/server";
import type { ToolName } from "./fields.ts";

export interface ToolText {
  title: string;
  /** When to use it, and an example. */
  description: string;
  /** Records something; a read-only server leaves it out. */
  tracks: boolean;
}

export const CATALOG: Record<ToolName, ToolText> = {
  health_check: {
    title: "Health check",
    description:
      "Whether the session recorder works. Use it first when other calls fail. Example: {}",
    tracks: false,
  },
  track_session_start: {
    title: "Track the start of a shell session",
    description:
      'Records that an admin shell began, and gives the session_id to send with its end. Call it once, when the shell opens; the same event_id again gives the same session. Example: {"event_version":"1.0","event_id":"550e8400-e29b-41d4-a716-446655440000","event_type":"session_start","component_name":"mahavishnu","shell_type":"ipython","timestamp":"2026-02-06T12:34:56.789Z","pid":12345,"user":{"username":"les","home":"/home/les"},"hostname":"db1","environment":{"python_version":"3.13.1","platform":"Linux-6.1-x86_64","cwd":"/srv"}}',
    tracks: true,
  },
  track_session_end: {
    title: "Track the end of a shell session",
    description:
      'Records that an admin shell ended. Call it once, when the shell closes, with the session_id that track_session_start gave; a second end changes nothing. Example: {"session_id":"mahavishnu-20260206-123456-550e8400","timestamp":"2026-02-06T13:00:00Z","metadata":{"commands_run":12}}',
    tracks: true,
  },
  track_events: {
    title: "Track many events at once",
    description:
      "Records events of sessions on another host: what its spool holds, in batches of at most 1,000, and heartbeats. Each event gets its own answer, and sending one again is harmless. People and agents want track_session_start instead.",
    tracks: true,
  },
  list_sessions: {
    title: "List shell sessions",
    description:
      'Sessions that match, newest first: who worked where, with what, when, and how it ended. Use it to find a session or to see what happened lately; ask for the next page with next_cursor. Example: {"type":"admin_shell","user":"les","after":"yesterday","limit":20}',
    tracks: false,
  },
  get_session: {
    title: "Show one shell session",
    description:
      'Everything about one session, with the commands that ran in it (the newest 1,000, newest last). Use it once list_sessions has given an id. Example: {"session_id":"mahavishnu-20260206-123456-550e8400"}',
    tracks: false,
  },
  list_events: {
    title: "List events",
    description:
      'The recorded events in the order of their arrival, as they were stored and by whom they were brought. Use it to follow along (after_seq) or to look behind a session. Example: {"session_id":"mahavishnu-20260206-123456-550e8400","kinds":["command_start"]}',
    tracks: false,
  },
  session_stats: {
    title: "Count and sum up sessions",
    description:
      'How many sessions match, by status and by component, how many failed, and how long they took. Use it instead of counting rows of list_sessions. Example: {"after":"-7d","component":"mahavishnu"}',
    tracks: false,
  },
  track_channel_session: {
    title: "Track a conversation on a channel",
    description:
      'Records that a conversation on a chat channel began, goes on or ended. The conversation is known by channel, sender, scope and thread, so no id has to be kept. Example: {"event_id":"550e8400-e29b-41d4-a716-446655440000","event_type":"channel_session_start","channel_type":"slack","channel_id":"C01","sender_id":"U01","timestamp":"2026-02-06T12:34:56Z"}',
    tracks: true,
  },
  get_channel_sessions: {
    title: "List conversations on channels",
    description:
      'Conversations that match, newest first. Use it to see who talks on which channel. Example: {"channel_type":"slack","status":"active"}',
    tracks: false,
  },
};

/** What a client may assume of a call. Recording is idempotent by event id. */
export function hintsOf({ tracks }: ToolText): ToolAnnotations {
  return {
    readOnlyHint: !tracks,
    destructiveHint: false,
    idempotentHint: true,
    openWorldHint: false,
  };
}
