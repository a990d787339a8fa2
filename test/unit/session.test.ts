import { describe, expect, test } from "bun:test";
import type { Event, JsonObject } from "../../src/model/event.ts";
import { apply, fold } from "../../src/model/fold.ts";
import {
  type State,
  emptyState,
  parseState,
  stateJson,
} from "../../src/model/state.ts";
import { metadataJson, parseMetadata } from "../../src/model/metadata.ts";
import { type Session, isClosed, view } from "../../src/model/session.ts";
import {
  ID,
  T0,
  annotation,
  at,
  command,
  end,
  processOf,
  randomLife,
  recovered,
  start,
  unknown,
} from "../support/events.ts";
import { Random } from "../support/random.ts";

const NOW = T0 + 3_600_000;

/** The session that some events make, which must make one. */
function session(...events: Event[]): Session {
  const seen = view(fold(ID, events), NOW);
  if (!seen) throw new Error("there is no session");
  return seen;
}

/** `toEqual` is blind to a key such as `__proto__`; text is not. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))
      : inner,
  );
}

/** Folds in batches, through the stored form of the state now and then. */
function foldInBatches(random: Random, events: readonly Event[]): State {
  let state = emptyState(ID);
  for (const batch of random.batches(events)) {
    for (const event of batch) apply(state, event);
    if (random.chance(0.5)) state = kept(random, state);
  }
  return state;
}

/** As it comes back from its row, or from one of an older version. */
const kept = (random: Random, state: State) =>
  parseState(random.chance(0.8) ? stateJson(state) : JSON.stringify(state));

test("any order and any batching of the same events is the same session", () => {
  const random = Random.seeded("fold");
  for (let round = 0; round < 2_000; round++) {
    const events = randomLife(random, ID);
    const reference = fold(ID, events);
    for (let again = 0; again < 4; again++) {
      const state = foldInBatches(random, random.shuffled(events));
      expect(canonical(state)).toBe(canonical(reference));
      expect(JSON.stringify(view(state, NOW))).toBe(
        JSON.stringify(view(reference, NOW)),
      );
    }
  }
});

describe("a session", () => {
  test("is none without its start, and is joined when that arrives", () => {
    const state = fold(ID, [end(9, { exit_code: 3 }), command(5)]);
    expect(view(state, NOW)).toBeNull();
    expect(isClosed(state)).toBeFalse();
    apply(state, start());
    expect(isClosed(state)).toBeTrue();
    expect(view(state, NOW)).toMatchObject({
      status: "ended",
      exit_code: 3,
      duration_seconds: 9,
      command_count: 1,
    });
  });

  test("is active, with a duration that grows, until an end", () => {
    const state = fold(ID, [start(), command(5)]);
    expect(view(state, T0 + 60_000)).toMatchObject({
      status: "active",
      end_time: null,
      duration_seconds: 60,
      last_seen: at(5),
    });
    expect(view(state, T0 + 61_500)?.duration_seconds).toBe(61.5);
  });

  test("whose start lies ahead of the clock has lasted no time yet", () => {
    expect(view(fold(ID, [start()]), T0 - 5_000)?.duration_seconds).toBe(0);
  });

  test("has the last name and the tags that it was given since its start", () => {
    const seen = session(
      annotation(3, { name: "late", add_tags: ["prod", "a"], note: "one" }),
      start({ name: "first", tags: ["test", "kept"] }),
      annotation(2, { name: "early", remove_tags: ["prod", "test"] }),
    );
    expect(seen).toMatchObject({ name: "late", tags: ["kept", "a", "prod"] });
    expect(seen.last_note).toBe("one");
  });

  test("makes nothing of what an older version took from the wire unread", () => {
    const odd = { name: 5, add_tags: "x", remove_tags: [7, null], note: {} };
    const seen = session(start(), annotation(3, odd as object));
    expect(seen).toMatchObject({ name: null, tags: [], last_note: null });
  });

  test("keeps the first of two starts, and the metadata of both", () => {
    const seen = session(
      start({ timestamp: at(2), name: "second", metadata: { b: 1 } }),
      start({ timestamp: at(1), name: "first", metadata: { a: 1 } }),
    );
    expect(seen).toMatchObject({ name: "first", start_time: at(1) });
    expect(seen.metadata).toMatchObject({ a: 1, b: 1 });
  });

  test("has the pid of its child once that is known", () => {
    expect(session(start())).toMatchObject({ pid: 100, ppid: 99 });
    expect(session(processOf(1), start())).toMatchObject({
      pid: 101,
      ppid: 100,
    });
  });

  test("counts no commands as null, not as none", () => {
    expect(session(start()).command_count).toBeNull();
    expect(session(start(), command(1), command(1)).command_count).toBe(2);
  });

  test("takes what it does not know for nothing, and no sign of life", () => {
    const seen = session(start(), unknown(7, { metadata: { team: "x" } }));
    expect(seen.last_seen).toBe(at(0));
    expect("team" in seen.metadata).toBeFalse();
  });

  test("learns a python's version from the last that tells it", () => {
    const early = annotation(1, { python_version: "3.11.0" });
    const late = end(2, { python_version: "3.12.0" });
    expect(session(start(), late, early).python_version).toBe("3.12.0");
  });
});

describe("ends", () => {
  const all = {
    observed: end(5, { exit_code: 1 }),
    declared: end(4, { end_source: "declared", exit_code: null }),
    recovered: recovered(3),
  };

  test("observed beats declared beats recovered, whatever their times", () => {
    expect(session(start(), ...Object.values(all))).toMatchObject({
      end_source: "observed",
      end_time: at(5),
      exit_code: 1,
      status: "ended",
    });
    expect(session(start(), all.declared, all.recovered)).toMatchObject({
      end_source: "declared",
      end_time: at(4),
      status: "ended",
    });
    expect(session(start(), all.recovered)).toMatchObject({
      end_source: "recovered",
      end_time: at(3),
      status: "lost",
    });
  });

  test("a second of the same rank changes nothing", () => {
    const first = end(5, { exit_code: 1 });
    const second = end(6, { exit_code: 2 });
    expect(session(start(), second, first)).toMatchObject({
      end_time: at(5),
      exit_code: 1,
    });
  });

  test("a sign of life after a recovered one reopens the session", () => {
    expect(session(start(), recovered(3), command(4))).toMatchObject({
      status: "active",
      end_time: null,
      end_source: null,
      last_seen: at(4),
    });
    // Not one before it, or at the same moment.
    expect(session(start(), recovered(3), command(3)).status).toBe("lost");
  });

  test("of recovered ones the last holds: a reopened session may be lost again", () => {
    expect(
      session(start(), recovered(3), command(4), recovered(6)),
    ).toMatchObject({ status: "lost", end_time: at(6) });
  });

  test("a sign of life does not reopen a declared or an observed one", () => {
    expect(session(start(), all.declared, command(9)).status).toBe("ended");
    expect(session(start(), all.observed, command(9)).status).toBe("ended");
  });

  test("a lost session was last seen when it ended, not before", () => {
    expect(session(start(), command(2), recovered(30))).toMatchObject({
      end_time: at(30),
      last_seen: at(30),
    });
  });

  test("before the start: duration 0, and the skew is said", () => {
    const seen = session(start({ timestamp: at(10) }), end(4));
    expect(seen).toMatchObject({ duration_seconds: 0, end_time: at(4) });
    expect(seen.metadata["clock_skew"]).toBeTrue();
    expect("clock_skew" in session(start(), end(4)).metadata).toBeFalse();
  });
});

describe("metadata", () => {
  const of = (...events: Event[]): JsonObject => session(...events).metadata;

  test("holds the report's keys first, then the recorder's, then the rest by name", () => {
    const seen = of(start({ metadata: { zebra: 1, ant: 2 } }));
    expect(Object.keys(seen)).toEqual([
      "version",
      "adapters",
      "cli_preprocessing_enabled",
      "tab_completion_enabled",
      "command_tree_size",
      "recorder_version",
      "exit_code",
      "signal",
      "exit_reason",
      "max_rss_bytes",
      "cpu_user_seconds",
      "cpu_system_seconds",
      "command_count",
      "ant",
      "zebra",
    ]);
    expect(seen["adapters"]).toEqual([]);
  });

  test("of a session from the wire holds null where nothing was sent", () => {
    for (const lease_seconds of [null, 120]) {
      expect(of(start({ lease_seconds }))["adapters"]).toBeNull();
      const metadata = { adapters: ["agno"] };
      expect(of(start({ lease_seconds, metadata }))["adapters"]).toEqual([
        "agno",
      ]);
    }
  });

  test("an end's beats an annotation's beats the start's, whatever their times", () => {
    const events = [
      end(1, { metadata: { x: "end" } }),
      annotation(2, { metadata: { x: "note", y: "note" } }),
      start({
        timestamp: at(3),
        metadata: { x: "start", y: "start", z: "start" },
      }),
    ];
    expect(of(...events)).toMatchObject({ x: "end", y: "note", z: "start" });
  });

  test("of two annotations the later wins, and at the same moment the greater id", () => {
    const note = (seconds: number, event_id: string, x: string) =>
      annotation(seconds, { event_id, metadata: { x } });
    expect(of(start(), note(2, "a", "late"), note(1, "b", "early"))["x"]).toBe(
      "late",
    );
    expect(
      of(start(), note(1, "b", "greater"), note(1, "a", "lesser"))["x"],
    ).toBe("greater");
  });

  test("null does not overwrite", () => {
    const note = annotation(1, { metadata: { x: null, y: null } });
    const seen = of(start({ metadata: { x: 1 } }), note);
    expect(seen["x"]).toBe(1);
    expect("y" in seen).toBeFalse();
  });

  test("given beats measured in the report's keys, measured shows without it", () => {
    const measured = { version: "5.2", command_tree_size: 900 };
    const seen = of(start({ metadata: { version: "mine" }, measured }));
    expect(seen).toMatchObject({ version: "mine", command_tree_size: 900 });
  });

  test("has the last look at resources, until the end tells, in whatever order they come", () => {
    const usage = (n: number) => ({ resource_usage: { n } });
    const looks = [1, 2].map((n) => annotation(n, { measured: usage(n) }));
    const ended = end(3, { measured: usage(3) });
    expect(of(start(), ...looks)).toMatchObject(usage(2));
    expect(of(start(), ...looks.toReversed())).toMatchObject(usage(2));
    expect(of(ended, start(), ...looks)).toMatchObject(usage(3));
    const state = fold(ID, [start()]);
    // It is no sign of life: those are the file's own times, and heartbeats.
    expect(apply(state, looks[0]!)).toBeFalse();
  });

  test("cannot set what decides a session", () => {
    const lies = {
      exit_code: 0,
      signal: "SIGTERM",
      end_source: "observed",
      lease: 1,
      clock_skew: true,
      exit_reason: "exited",
      command_count: 9,
      resource_usage: { measured_by: "a lie" },
    };
    const seen = session(
      start({ metadata: lies, measured: lies }),
      end(4, { exit_code: null, signal: "SIGKILL", metadata: lies }),
    );
    expect(seen).toMatchObject({ exit_code: null, signal: "SIGKILL" });
    expect(seen.metadata).toMatchObject({ exit_code: null, signal: "SIGKILL" });
    for (const key of ["end_source", "lease", "clock_skew"])
      expect(key in seen.metadata).toBeFalse();
    const given = session(start({ metadata: lies })).metadata;
    expect("resource_usage" in given).toBeFalse();
    expect([given["exit_reason"], given["command_count"]]).toEqual([
      null,
      null,
    ]);
  });

  test("with names that objects know already is metadata like any other", () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
    const metadata = JSON.parse(
      `{${names.map((name) => `${JSON.stringify(name)}:{"x":1}`).join()}}`,
    ) as JsonObject;
    // Stored and read again before they come.
    const state = parseState(stateJson(fold(ID, [start()])));
    apply(state, annotation(1, { metadata }));
    const seen = view(state, NOW)!.metadata;
    for (const name of names)
      expect([
        name,
        Object.entries(seen).find(([key]) => key === name)?.[1],
      ]).toEqual([name, { x: 1 }]);
    expect(({} as { x?: number }).x).toBeUndefined();
  });
});

test("what is kept of a state and of its metadata gives the same again, and is short", () => {
  const random = Random.seeded("kept");
  for (let round = 0; round < 500; round++) {
    const state = fold(ID, random.shuffled(randomLife(random, ID)));
    const json = stateJson(state);
    expect(parseState(json)).toEqual(state);
    expect(json.length).toBeLessThan(JSON.stringify(state).length);
    const metadata = view(state, NOW)?.metadata;
    if (!metadata) continue;
    expect(JSON.stringify(parseMetadata(metadataJson(metadata)))).toBe(
      JSON.stringify(metadata),
    );
  }
});
