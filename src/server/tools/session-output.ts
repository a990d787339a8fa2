/**
 * What the tools give. Fields are only ever added to it.
 */
import { z } from "zod";
import { type ToolName, object, status, text } from "./fields.ts";

const orNull = text.nullable();
const seconds = z.number();
const count = z.int().nonnegative();

const session = {
  session_id: text,
  session_type: text,
  component_name: text,
  component: text,
  shell_type: text,
  status,
  start_time: text,
  end_time: orNull,
  duration_seconds: seconds,
  exit_code: z.int().nullable(),
  signal: orNull,
  pid: z.int().nullable(),
  ppid: z.int().nullable(),
  username: text,
  hostname: text,
  tty: orNull,
  working_directory: text,
  platform: text,
  python_version: orNull,
  parent_session_id: orNull,
  name: orNull,
  reason: orNull,
  tags: z.array(text),
  command_count: z.int().nullable(),
  end_source: orNull,
  last_seen: text,
  reporter: orNull,
  attested: orNull,
  metadata: object,
};

const tracked = (...statuses: [string, ...string[]]) => ({
  session_id: orNull,
  status: z.enum(statuses),
  error: orNull,
});

export const OUTPUTS: Record<ToolName, z.ZodType> = {
  health_check: z.object({
    status: z.enum(["healthy", "degraded"]),
    service: text,
    version: text,
    uptime_seconds: seconds,
    checks: z.record(text, z.enum(["ok", "failed"])),
  }),
  track_session_start: z.object(tracked("tracked", "error")),
  track_session_end: z.object(tracked("ended", "not_found", "error")),
  track_events: z.object({
    results: z.array(
      z.object({
        event_id: orNull,
        status: z.enum(["stored", "duplicate", "rejected"]),
        error: orNull,
      }),
    ),
  }),
  list_sessions: z.object({
    sessions: z.array(z.object(session)),
    count,
    next_cursor: orNull,
  }),
  get_session: z.object({
    ...session,
    commands: z.array(object),
    remarks: z.array(object),
  }),
  list_events: z.object({
    events: z.array(
      z.object({
        seq: count,
        received_at: text,
        provenance: object.nullable(),
        event: object,
      }),
    ),
    count,
    next_cursor: orNull,
  }),
  session_stats: z.object({
    sessions: count,
    by_status: z.object({ active: count, ended: count, lost: count }),
    failed: count,
    duration_seconds: z
      .object({
        total: seconds,
        mean: seconds,
        median: seconds,
        p95: seconds,
        max: seconds,
      })
      .nullable(),
    by_component: z.array(
      z.object({ component_name: text, sessions: count, failed: count }),
    ),
    first_start: orNull,
    last_start: orNull,
  }),
  track_channel_session: z.object({
    ...tracked("tracked", "ended", "not_found", "error"),
    event_id: orNull,
  }),
  get_channel_sessions: z.object({
    status: z.enum(["success", "error"]),
    // With success.
    count: count.optional(),
    sessions: z.array(z.object(session)).optional(),
    queried_at: text.optional(),
    // With error.
    error: text.optional(),
  }),
};
