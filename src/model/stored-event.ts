/** An event as it is stored. */
import type { Event } from "./event.ts";
import type { Provenance } from "./reporter.ts";

export interface StoredEvent {
  /** The order of arrival. */
  seq: number;
  /** UTC, ISO 8601 with milliseconds. */
  received_at: string;
  /** null for what came before it was kept. */
  provenance: Provenance | null;
  event: Event;
}
