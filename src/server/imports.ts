/** Brings the events of an export to the database of a server. */
import { bringIn, endImported } from "../access/importer.ts";
import type { Settings } from "../config/load.ts";
import type { Brought, Imported } from "../model/export.ts";
import { fail, reasonOf } from "../model/failure.ts";
import type { KeptStore } from "../model/store.ts";
import { spooledSessions } from "../spool/contents.ts";
import { storedOf } from "../spool/stored-line.ts";

export class Imports {
  /** @param file throws while the database is away */
  constructor(
    private readonly settings: Settings,
    private readonly file: () => KeptStore,
  ) {}

  /** @throws Failure (refused) for what is none */
  async bring(events: readonly unknown[]): Promise<Imported> {
    let read: Brought[];
    try {
      read = events.map(storedOf);
    } catch (error) {
      throw fail.refused(`an event cannot be imported: ${reasonOf(error)}`);
    }
    return bringIn(this.file(), read, this.rules());
  }

  async end(session_ids: readonly string[]): Promise<number> {
    return endImported(this.file(), session_ids, this.rules());
  }

  private rules() {
    const { config, paths } = this.settings;
    const spooled = spooledSessions(paths.data!);
    return { redaction: config.redaction, spooled };
  }
}
