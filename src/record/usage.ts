/**
 * What a wrapped program used, and how it ended, as metadata of its session.
 */
import type { JsonObject } from "../model/event.ts";
import type { Usage } from "../os/libc.ts";

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
