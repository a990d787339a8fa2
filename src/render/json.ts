/**
 * Sessions as JSON: the same keys, in the same order, everywhere.
 */
import { plainJson } from "../model/json.ts";
import type { Session } from "../model/session.ts";

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
    metadata: s.metadata,
  };
}

/** The pieces of a JSON array, a row a line, as rows come. */
export class JsonArray {
  private rows = 0;

  row(session: Session): string {
    return `${this.rows++ ? "," : "["}\n${plainJson(sessionJson(session))}`;
  }

  end(): string {
    return this.rows ? "\n]\n" : "[]\n";
  }
}

export function sessionDocument(session: Session): string {
  return `${plainJson(sessionJson(session), 2)}\n`;
}

/** The same value on a line of its own. */
export function sessionLine(session: Session): string {
  return `${plainJson(sessionJson(session))}\n`;
}
