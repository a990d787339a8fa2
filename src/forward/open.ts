/** Makes a destination of its settings. */
import type { DestinationSettings } from "../config/destinations.ts";
import type { Destination } from "./destination.ts";
import { NdjsonFile } from "./file.ts";
import { journaldOf } from "./journald.ts";
import { Otlp } from "./otlp.ts";
import { syslogOf } from "./syslog.ts";

export function destinationOf(settings: DestinationSettings): Destination {
  switch (settings.type) {
    case "file":
      return new NdjsonFile(settings);
    case "journald":
      return journaldOf(settings);
    case "syslog":
      return syslogOf(settings);
    case "otlp":
      return new Otlp(settings);
  }
}

/** One that is made when something is to be delivered, and until then tried again. */
export class Opening implements Destination {
  private opened: Destination | null = null;

  /** @param make throws for what somebody has to mend */
  constructor(private readonly make: () => Destination) {}

  get linger_ms(): number | undefined {
    return this.opened?.linger_ms;
  }

  async deliver(...given: Parameters<Destination["deliver"]>): Promise<void> {
    this.opened ??= this.make();
    await this.opened.deliver(...given);
  }

  async close(): Promise<void> {
    await this.opened?.close();
  }
}
