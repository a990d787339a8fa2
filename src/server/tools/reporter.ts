/**
 * Looks up the process that reports a session: by its pid, /proc tells whether it
 * is on this host, when it began, and which wrapped session it runs in.
 */
import type { SessionStart } from "../../model/event.ts";
import { isMissing } from "../../os/file.ts";
import {
  ancestry,
  bootId,
  ownerOf,
  pidNamespace,
  processStat,
  variableOf,
} from "../../os/proc.ts";
import { SESSION_ID_VARIABLE, parentOf } from "../../os/parent.ts";
import type { Caller } from "./tool.ts";

type Facts = Pick<
  SessionStart,
  | "start_ticks"
  | "pid_namespace"
  | "boot_id"
  | "parent_session_id"
  | "inherited_session_id"
>;

/** Where this process runs, which does not change while it does. */
let here: Record<"pid_namespace" | "boot_id", string | null> | null = null;

/**
 * @param pid as the client told it
 * @param spool the folder where wrapped sessions are written
 * @returns nothing when the process cannot be the caller's
 */
export function reporterFacts(
  pid: number,
  caller: Caller,
  spool: string,
): Facts {
  if (!caller.loopback || isMissing(`/proc/${pid}`)) return {};
  const stat = processStat(pid);
  if (!stat) return {};
  const { pid_namespace, boot_id } = (here ??= {
    pid_namespace: pidNamespace(),
    boot_id: bootId(),
  });
  if (!pid_namespace || !boot_id) return {};
  if (caller.uid !== null && ownerOf(pid) !== caller.uid) return {};
  return {
    start_ticks: stat.start_ticks,
    pid_namespace,
    boot_id,
    // A wrapped program may itself report: it is within that session too.
    ...parentOf(variableOf(pid, SESSION_ID_VARIABLE), ancestry(pid), spool),
  };
}
