/** That somebody watches is nothing of a session's life, whoever says so. */
import { expect, test } from "bun:test";
import { EVENT_VERSION, type Event } from "../../src/model/event.ts";
import { foldBrought } from "../../src/model/fold.ts";
import { type Provenance, SPOOL, byServer } from "../../src/model/reporter.ts";
import { parseEvent } from "../../src/model/schema.ts";
import { id, life } from "../support/spool.ts";

const TOKEN: Provenance = {
  ...{ via: "tcp", uid: null, subject: "ann", address: "10.0.0.5" },
  reporter: "token:ann",
};
const watch = (event_type: string, more: object) =>
  parseEvent({
    ...{ event_version: EVENT_VERSION, event_id: crypto.randomUUID() },
    ...{ event_type, session_id: id(1), timestamp: "2027-01-01T00:00:00Z" },
    ...more,
  }) as Event;
const WATCHES = [
  watch("watch_start", { watcher: "ann", address: "10.0.0.5" }),
  watch("watch_end", { of: crypto.randomUUID() }),
];

test.each([
  ["the server", byServer(TOKEN)],
  ["another", TOKEN],
  ["its own host", SPOOL],
  ["an older version", { ...TOKEN, reporter: undefined } as never],
])("%s says so: the fold is as it was", (_, from: Provenance) => {
  const all = life(1).map((event) => ({ event, from: SPOOL }));
  const watched = WATCHES.map((event) => ({ event, from }));
  const state = foldBrought(id(1), all);
  expect(foldBrought(id(1), [...all, ...watched])).toEqual(state);
  expect(foldBrought(id(1), [...watched, ...all])).toEqual(state);
});
