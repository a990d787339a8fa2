/** Makes a destination of its settings. */
import type { DestinationSettings } from "../config/destinations.ts";
import type { Destination } from "./destination.ts";
import { NdjsonFile } from "./file.ts";

export function destinationOf(settings: DestinationSettings): Destination {
  return new NdjsonFile(settings);
}

/** Takes nothing, for a reason that somebody has to mend. */
export const refusing = (error: unknown): Destination => ({
  deliver: () => Promise.reject(error),
  close() {},
});
