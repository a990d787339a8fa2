/** What the tools answer, as far as the page shows it. */
import type { Command } from "../../../model/command.ts";
import type { Session } from "../../../model/session.ts";

export type { Command, Session };
export type { Hit } from "../../../model/search.ts";

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
