/**
 * What a wrapped program used, and how it ended, as metadata of its session.
 */
import type { JsonObject } from "../model/event.ts";
import type { Usage } from "../os/libc.ts";
import { SIGNALS, signalName } from "../os/signals.ts";
import type { Outcome } from "./outcome.ts";

type Ended = Exclude<Outcome, { kind: "abandoned" }>;

/**
 * The kernel counts the image that a child had before exec, ours, into its
 * peak of memory: a child that never grew beyond it cannot be told from us.
 * @param floor_bytes our own peak right after the spawn
 */
export function usageMetadata(usage: Usage, floor_bytes: number): JsonObject {
  const above = usage.max_rss_bytes > floor_bytes;
  return {
    max_rss_bytes: above ? usage.max_rss_bytes : null,
    cpu_user_seconds: usage.cpu_user_seconds,
    cpu_system_seconds: usage.cpu_system_seconds,
  };
}

/** Its status as the session keeps it. */
export function endOf(outcome: Ended): {
  exit_code: number | null;
  signal: string | null;
} {
  if (outcome.kind === "unstarted")
    return { exit_code: outcome.exit_status, signal: null };
  const { exit_code, signal } = outcome;
  return { exit_code, signal: signal === null ? null : signalName(signal) };
}

/** Why it ended, in one word. */
export function exitReason(outcome: Ended): string {
  if (outcome.kind === "unstarted")
    return outcome.exit_status === 127 ? "not_found" : "cannot_run";
  if (outcome.hung_up || outcome.told_to_go === SIGNALS.SIGHUP) return "hangup";
  if (outcome.told_to_go !== null) return "terminated";
  return outcome.signal === null ? "exited" : "signaled";
}
