/** How it goes with bringing events to a server on another host. */
import type { Settings } from "../config/load.ts";
import { fail } from "../model/failure.ts";
import { readDelivery } from "../spool/circuit-breaker.ts";
import { spoolBacklog } from "../spool/folder.ts";
import { spoolFolder } from "../spool/write.ts";
import type { Check } from "./check.ts";

/** Looked at once the store was opened: that has tried just now. */
export function deliveryChecks({ config, paths }: Settings): Check[] {
  if (config.server.endpoint === null) return [];
  const data = paths.data!;
  return [
    {
      name: "delivery",
      look() {
        const state = readDelivery(spoolFolder(data));
        const { failing_since, last_error, last_success, mend } = state;
        if (failing_since === null)
          return last_success === null
            ? "nothing had to be delivered yet"
            : `events are delivered, last about ${last_success}`;
        const { files } = spoolBacklog(data);
        throw fail.unreachable(
          `undelivered spool files: ${files}, since ${failing_since}: ${last_error}`,
          mend ?? "try: session-buddy drain",
        );
      },
    },
  ];
}
