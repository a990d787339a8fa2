/** What the tools answer, as far as the page shows it. */
import type { Session as Stored } from "../../../model/session.ts";

export type Session = Stored;

export interface Command {
  session_id: string;
  event_seq: number;
  text: string | null;
  truncated_bytes?: number;
  start_time: string;
  end_time: string | null;
  duration_seconds: number | null;
  exit_code: number | null;
  cwd: string | null;
  mark: string | null;
}

export interface Present extends Session {
  doing: Command | null;
  failed: Command[];
}

export interface Said {
  reporter: string | null;
  timestamp: string;
  note?: string;
  name?: string;
  add_tags?: string[];
  remove_tags?: string[];
}

/** Who looked at its recording. */
export interface Watch {
  watcher: string;
  address: string | null;
  start_time: string;
  /** null while somebody looks. */
  end_time: string | null;
  /** Whose word that is; null: the server's own. */
  said_by: string | null;
}

export interface WholeSession extends Session {
  commands: Command[];
  notes: Said[];
  remarks: Said[];
  watches: Watch[];
}

export interface Hit {
  session_id: string;
  component_name: string | null;
  username: string | null;
  hostname: string | null;
  field: string;
  time: string;
  text: string;
  matches: string[];
  exit_code: number | null;
  event_seq: number | null;
  /** Of what a terminal showed: when, since its recording began. */
  recording_ms?: number | null;
}
