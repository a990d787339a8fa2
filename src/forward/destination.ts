/** What a destination is: it takes events in their order, and says how far it has. */
import type { StoredEvent } from "../model/store.ts";

/** A stored event, redacted, and the JSON of the event alone. */
export interface Outgoing extends StoredEvent {
  json: string;
}

/** @param rejected how many of those it has thrown away, and why */
export type Took = (
  count: number,
  rejected?: { events: number; reason: string },
) => void;

export interface Destination {
  /**
   * Delivers events in order.
   * @param signal ends it: then, and on every error, it may have taken more than it said
   * @param took called with how many of the first are safe with it, each time it is more
   * @throws Error when not all were taken; Refused for one that it never will; Later
   */
  deliver(
    events: readonly Outgoing[],
    signal: AbortSignal,
    took: Took,
  ): Promise<void>;
  /** Lets go of what it holds open. */
  close(): void | Promise<void>;
  /** How long it waits for more, where a delivery costs much. */
  readonly linger_ms?: number | undefined;
}

/** The first event that is not taken yet will never be: it is told of, and left out. */
export class Refused extends Error {}

/** The destination wants to be left alone for so long. */
export class Later extends Error {
  constructor(
    message: string,
    readonly after_ms: number,
  ) {
    super(message);
  }
}
