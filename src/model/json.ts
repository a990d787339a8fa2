/**
 * JSON as everybody shows it: sessions with the same keys in the same order, and
 * text that any terminal can be shown. Text from outside may hold what moves a
 * cursor or turns the reading direction; JSON escapes only half of that.
 */
import type { Session } from "./session.ts";

/** The value that every JSON answer and every machine-readable form shows. */
export function sessionJson(session: Session): Record<string, unknown> {
  const s = session;
  return {
    session_id: s.session_id,
    session_type: s.session_type,
    component_name: s.component_name,
    component: s.component_name,
    shell_type: s.shell_type,
    status: s.status,
    start_time: s.start_time,
    end_time: s.end_time,
    duration_seconds: s.duration_seconds,
    exit_code: s.exit_code,
    signal: s.signal,
    pid: s.pid,
    ppid: s.ppid,
    username: s.username,
    hostname: s.hostname,
    tty: s.tty,
    working_directory: s.working_directory,
    platform: s.platform,
    python_version: s.python_version,
    parent_session_id: s.parent_session_id,
    name: s.name,
    reason: s.reason,
    tags: s.tags,
    command_count: s.command_count,
    end_source: s.end_source,
    last_seen: s.last_seen,
    reporter: s.reporter,
    attested: s.attested,
    metadata: s.metadata,
  };
}

/**
 * C0, DEL, C1, line and paragraph separators, the bidi controls, and what takes no
 * room on a screen: joiners, fillers, selectors, tags, the byte order mark.
 */
export const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\p{Default_Ignorable_Code_Point}]/gu;

/** JSON of the same value, in which nothing acts on a terminal, or hides. */
export function plainJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(UNSAFE, (text) => {
    // JSON has escaped the others of its kind, and puts this one between lines.
    if (text === "\n") return text;
    // Two halves where it is beyond the first plane.
    return [...Array(text.length).keys()]
      .map((i) => escapeUnit(text, i))
      .join("");
  });
}

const escapeUnit = (text: string, at: number) =>
  `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`;
