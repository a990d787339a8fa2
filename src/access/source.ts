/** Where a list of sessions is read from, and what its output may not replace. */
import type { Settings } from "../config/load.ts";
import type { Session } from "../model/columns.ts";
import type { Warn } from "../model/failure.ts";
import type { SessionFilter } from "../model/filter.ts";
import { withReadable } from "./open.ts";
import { requireNotOwn } from "./own-files.ts";

export function sessionSource(settings: Settings, warn: Warn) {
  return {
    /** Opens the store for so long as its rows are used. */
    read: <T>(
      filter: SessionFilter,
      use: (rows: AsyncIterable<Session>) => Promise<T>,
    ): Promise<T> =>
      withReadable(settings, warn, (store) => use(store.list(filter))),
    requireFree: (path: string) => requireNotOwn(settings, path),
  };
}
