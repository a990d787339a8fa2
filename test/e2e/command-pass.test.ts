/**
 * What hooked shells write while a pass is reading their files.
 */
import { expect, test } from "bun:test";
import { appendFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { drain } from "../../src/spool/drain.ts";
import type { Event } from "../../src/model/event.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { end } from "../support/events.ts";
import { Sandbox } from "../support/sandbox.ts";
import { GONE, hook, id, leave, life, lines } from "../support/spool.ts";

const GONE_PID = 4_194_000;

/** Drains once; `meanwhile` comes when a part was read, before that is stored. */
async function drainWhile(sandbox: Sandbox, meanwhile: () => void) {
  const store = await DuckDBStore.open(sandbox.database);
  try {
    let before = true;
    const target = {
      append: (events: readonly Event[]) => {
        if (before) meanwhile();
        before = false;
        return store.append(events);
      },
      seen: store.seen.bind(store),
      get: store.get.bind(store),
    };
    const { quarantined } = await drain(sandbox.data, target, Date.now);
    const commands = await Array.fromAsync(store.commands({}));
    const events = await Array.fromAsync(store.events({ session_id: id(1) }));
    return { quarantined, commands, events };
  } finally {
    await store.close();
  }
}

test("what a shell writes as it ends, while its file is read, is not left for a minute", async () => {
  using sandbox = new Sandbox();
  const now = Date.now();
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1, end(60))));
  const file = leave(
    sandbox,
    `${id(1)}.${GONE_PID}.commands`,
    hook.header(GONE_PID, now) + hook.start(1, now, "make"),
  );
  const { commands } = await drainWhile(sandbox, () =>
    appendFileSync(
      file,
      hook.end(1, now + 1, 0) + hook.start(2, now + 2, "exit"),
    ),
  );
  expect(commands.map(({ text, exit_code }) => [text, exit_code])).toEqual([
    ["exit", null],
    ["make", 0],
  ]);
});

test("a shell's file that is made anew while it is read is read from its beginning", async () => {
  using sandbox = new Sandbox();
  const now = Date.now();
  const header = hook.header(GONE_PID, now);
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1, end(60))));
  const name = `${id(1)}.${GONE_PID}.commands`;
  const file = leave(sandbox, name, header + hook.start(1, now, "make"));
  const { quarantined, commands } = await drainWhile(sandbox, () => {
    renameSync(file, join(sandbox.home, "away"));
    leave(sandbox, name, header + hook.start(2, now + 1, "make install"));
  });
  expect(quarantined).toEqual([]);
  expect(commands.map(({ text }) => text)).toEqual(["make install", "make"]);
});

test.each([
  ["the wrapped shell", GONE.pid],
  ["a shell within it", GONE.pid - 7],
])(
  "what %s begins to write once the folder was listed ends its session once",
  async (_, pid) => {
    using sandbox = new Sandbox();
    const now = Date.now();
    // So much that a part of it is stored while the pass goes on.
    const many = Array.from({ length: 4_200 }, (_, n) =>
      hook.start(n + 1, now, `make part-${n}`),
    );
    const header = hook.header(GONE_PID, now);
    leave(sandbox, `${id(2)}.${GONE_PID}.commands`, header + many.join(""));
    leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
    const { events } = await drainWhile(sandbox, () =>
      leave(
        sandbox,
        `${id(1)}.${pid}.commands`,
        hook.header(pid, now) + hook.start(1, now, "make"),
      ),
    );
    const kinds = events.map(({ event }) => event.event_type);
    expect(kinds).toContain("command_start");
    expect(kinds.filter((kind) => kind === "session_end")).toHaveLength(1);
  },
);
