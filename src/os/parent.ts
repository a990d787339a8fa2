/**
 * Finds the session around a process. The variable in its environment alone proves
 * nothing (tmux keeps a stale one): the session is a parent only when its wrapper or
 * its shell is an ancestor.
 */
import type { Process, SessionStart } from "../model/event.ts";
import { isSessionId } from "../model/id.ts";
import { tryReadText } from "./file.ts";
import type { StartedProcess } from "./proc.ts";

export const SESSION_ID_VARIABLE = "SESSION_BUDDY_SESSION_ID";
/** `1` in whatever is wrapped, recorded or not: an rc file that wraps looks at it. */
/** The file of --config, for the filter that hooks send commands through. */
export const CONFIG_VARIABLE = "SESSION_BUDDY_HOOKS_CONFIG";
export const WRAPPED_VARIABLE = "SESSION_BUDDY_WRAPPED";

/**
 * @param id what the variable says
 * @param ancestors whom the process descends from
 * @param spool where the parent's file would be
 */
export function parentOf(
  id: string | null | undefined,
  ancestors: Iterable<StartedProcess>,
  spool: string,
): Pick<SessionStart, "parent_session_id" | "inherited_session_id"> {
  if (!id || !isSessionId(id)) return {};
  const claimed = processesOf(`${spool}/${id}.ndjson`);
  for (const { pid, start_ticks } of ancestors)
    if (claimed.has(`${pid}@${start_ticks}`)) return { parent_session_id: id };
  return { inherited_session_id: id };
}

/** Of a spool file: its processes stand at its beginning. */
const MOST_BYTES = 1024 * 1024;

/** The processes that a spool file names: `pid@start_ticks`. */
function processesOf(file: string): Set<string> {
  const found = new Set<string>();
  // None: not a session of this data folder.
  const lines = tryReadText(file, MOST_BYTES)?.split("\n") ?? [];
  for (const line of lines) {
    if (!/"event_type":"(session_start|process)"/.test(line)) continue;
    try {
      const { pid, start_ticks } = JSON.parse(line) as Pick<
        Process,
        "pid" | "start_ticks"
      >;
      found.add(`${pid}@${start_ticks}`);
    } catch {
      // A torn line (disk full, killed): it names nobody.
    }
  }
  return found;
}
