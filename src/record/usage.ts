/**
 * What a wrapped program used, and how it ended, as metadata of its session.
 */
import type { JsonObject } from "../model/event.ts";
import { labelled, readProc } from "../os/proc.ts";
import type { Usage } from "../os/libc.ts";

/**
 * Peak memory of this process so far, in bytes. The kernel counts the image
 * that a child had before exec, ours, into its peak: a child that never grew
 * beyond it cannot be told from us.
 */
export function memoryFloor(): number {
  const line = labelled(readProc("self/status"), "VmHWM:");
  return Number(line?.split(" ")[0] ?? 0) * 1024;
}

/** @param floor_bytes memoryFloor() right after the spawn */
export function usageMetadata(usage: Usage, floor_bytes: number): JsonObject {
  const above = usage.max_rss_bytes > floor_bytes;
  return {
    max_rss_bytes: above ? usage.max_rss_bytes : null,
    cpu_user_seconds: usage.cpu_user_seconds,
    cpu_system_seconds: usage.cpu_system_seconds,
  };
}
