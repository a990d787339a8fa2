/** How a database in a file is opened. */
import type { OpenOptions } from "../../model/store.ts";

export interface StoreOptions extends OpenOptions {
  /** The steps to the newest schema, oldest first. */
  migrations?: readonly string[];
  /** How many ids of events are kept in memory. */
  window_events?: number;
}
