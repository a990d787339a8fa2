/** `session-buddy drain`: moves spooled events to the store. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import {
  type Settings,
  recordingsRoot,
  validSettings,
} from "../../config/load.ts";
import { listen } from "../../model/progress.ts";
import type { SessionStore } from "../../model/store.ts";
import { drainOptions, withDrained } from "../../access/open.ts";
import { CircuitBreaker } from "../../spool/circuit-breaker.ts";
import { adoptAll } from "../../spool/drain.ts";
import {
  foreignHint,
  foreignFolders,
  foreignSentence,
} from "../../spool/foreign-folders.ts";
import { sayDrained } from "../../spool/report.ts";
import { type Retried, retryRejected } from "../../spool/retry.ts";
import { spoolFolder } from "../../spool/write.ts";
import { note } from "../terminal.ts";

export default defineCommand({
  description: `Brings what this host has recorded to the store.

Every command that reads does that first; wrappers start it for a server on
another host. It says nothing when all went well. With --auto it tries for a
while, but leaves a server alone that did not answer lately. What a server
rejects is kept in quarantine/ beside the spool; --retry brings it once more.
What was recorded under another machine id is taken in once it is known that its
boot is over; else it is told of, and --adopt takes it.

EXAMPLE
  SESSION_BUDDY_MCP_ENDPOINT=https://audit.example:8678/mcp session-buddy drain`,
  args: {
    auto: {
      type: "boolean",
      description: "As wrappers start it: nobody asked, nobody waits",
    },
    adopt: {
      type: "boolean",
      description:
        "Also what was recorded under other machine ids, by hosts that run no more",
    },
    retry: {
      type: "boolean",
      description: "Also what a server has rejected before, from quarantine/",
    },
    config: CONFIG_FLAG,
  },
  async run(args) {
    if (args.auto) listen(null);
    const settings = await validSettings(process.env, args.config);
    const data = settings.paths.data!;
    const { heartbeat_ms } = settings.config.session;
    const folder = spoolFolder(data);
    const breaker = new CircuitBreaker(folder, args.auto, Date.now);
    await deliver(settings, breaker, async (store) => {
      if (args.adopt)
        sayDrained(
          await adoptAll(data, store, Date.now, drainOptions(settings)),
          note,
        );
      if (args.retry) sayRetried(await retryRejected(folder, store));
    });
    // After the events, so that none waits for what is large.
    await deliverRecordings(settings, args.auto, args.retry);
    if (args.auto) return;
    for (const foreign of foreignFolders(data, Date.now(), heartbeat_ms))
      note(`${foreignSentence(foreign)} (${foreignHint(foreign)})`);
  },
});

async function deliverRecordings(
  settings: Settings,
  automatic: boolean,
  retry: boolean,
): Promise<void> {
  const { deliverRecordings, forgetRefused } =
    await import("../../access/deliver-recordings.ts");
  if (retry) forgetRefused(recordingsRoot(settings));
  await deliverRecordings(settings, { automatic, warn: note });
}

function sayRetried({ taken, rejected, refused }: Retried): void {
  note(
    `of the events that were rejected before, ${taken} are stored now and ${rejected} are rejected again`,
  );
  for (const why of refused) note(`left alone: ${why}`);
}

/** Retries until it succeeds or the circuit breaker says to stop. */
async function deliver(
  settings: Settings,
  breaker: CircuitBreaker,
  use: (store: SessionStore) => Promise<void>,
): Promise<void> {
  for (;;)
    try {
      return await withDrained(settings, note, use, breaker);
    } catch (error) {
      const pause_ms = breaker.pause_ms();
      if (pause_ms === null) throw error;
      await Bun.sleep(pause_ms);
    }
}
