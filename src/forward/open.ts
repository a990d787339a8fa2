/** Makes a destination of its settings. */
import type { DestinationSettings } from "../config/destinations.ts";
import type { Destination } from "./destination.ts";
import { NdjsonFile } from "./file.ts";
import { Journald } from "./journald.ts";
import { Otlp } from "./otlp.ts";
import { syslogOf } from "./syslog.ts";

export function destinationOf(settings: DestinationSettings): Destination {
  switch (settings.type) {
    case "file":
      return new NdjsonFile(settings);
    case "journald":
      return new Journald(settings);
    case "syslog":
      return syslogOf(settings);
    case "otlp":
      return new Otlp(settings);
  }
}

/** Takes nothing, for a reason that somebody has to mend. */
export const refusing = (error: unknown): Destination => ({
  deliver: () => Promise.reject(error),
  close() {},
});
