/** What brings events to a destination, where a destination is slow in a way that no receiver is on demand. */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Destination } from "../../src/forward/destination.ts";
import { Forwarder } from "../../src/forward/forwarder.ts";
import { readProgress } from "../../src/forward/position.ts";
import { EVERY_RULE } from "../../src/model/redaction/custom.ts";
import type { StoredEvent } from "../../src/model/store.ts";
import { commandsOf } from "../support/exports.ts";
import { FileDocuments } from "../../src/os/documents.ts";
import { until } from "../support/wait.ts";

const folder = mkdtempSync(join(tmpdir(), "sb-forwarder-"));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const stored: StoredEvent[] = commandsOf(100).map((event, n) => ({
  ...{ seq: n + 1, received_at: "2026-02-06T12:00:00.000Z" },
  ...{ provenance: null, event },
}));

const source = {
  last_seq: stored.length,
  async *events({ after_seq = 0, limit = Infinity }) {
    yield* stored.slice(after_seq, after_seq + limit);
  },
  resumeAfter: async () => 0,
};

test("one that is too slow for many at a time gets all of them, fewer at a time, in order", async () => {
  const came: number[] = [];
  const sizes: number[] = [];
  const slow: Destination = {
    async deliver(events, signal, took) {
      sizes.push(events.length);
      // Not done in time, and deaf to its end until then.
      if (events.length > 3)
        await new Promise((resolve) =>
          signal.addEventListener("abort", resolve, { once: true }),
        ).then(() => signal.throwIfAborted());
      came.push(...events.map(({ seq }) => seq));
      took(events.length);
    },
    close() {},
  };
  const reasons: string[] = [];
  const documents = new FileDocuments(folder);
  const forwarder = await Forwarder.begin({
    ...{ destination: slow, source, since: "start", deliver_ms: 20 },
    ...{ documents, name: "place", may: () => true },
    redaction: EVERY_RULE,
    hears: {
      failed: (reason) => void reasons.push(reason),
      recovered() {},
      warn() {},
    },
  });
  await until("all of them", () => came.length >= stored.length);
  await forwarder.stop();
  expect(came).toEqual(stored.map(({ seq }) => seq));
  expect(sizes[0]).toBe(100);
  expect(new Set(reasons)).toEqual(new Set(["nothing was taken in time"]));
  const kept = await readProgress(documents, "place");
  expect(kept!.progress.place.seq).toBe(100);
  expect(forwarder.figures()).toMatchObject({ lag_events: 0, exported: 100 });
});
