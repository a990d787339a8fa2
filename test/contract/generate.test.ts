/** The databases of the benches: their rows are what the fold makes of their events. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { ONCE, generate } from "../bench/generate.ts";
import { expectFold } from "./expected.ts";

test("a generated database agrees with its events, and is the same for a seed", async () => {
  const home = mkdtempSync(join(tmpdir(), "sb-generated-"));
  const made = { sessions: 500, commands: 6, seed: 7 };
  const eventsIn = async (name: string, seed: number) => {
    await generate(join(home, name), { ...made, seed });
    const store = await DuckDBStore.open(join(home, name));
    try {
      const stored = await Array.fromAsync(store.events({}));
      const events = stored.map(({ event }) => event);
      await expectFold(store, events);
      const stats = await store.stats({});
      expect(stats.sessions).toBe(made.sessions);
      for (const status of ["active", "ended", "lost"] as const)
        expect(stats.by_status[status]).toBeGreaterThan(0);
      const typed = await Array.fromAsync(store.commands({ text: ONCE }));
      expect(typed).toHaveLength(1);
      const all = await Array.fromAsync(store.commands({}));
      expect(all.length / made.sessions).toBeWithin(4, 8);
      expect(all.filter((c) => c.exit_code).length).toBeGreaterThan(0);
      return events;
    } finally {
      await store.close();
    }
  };
  try {
    const events = await eventsIn("a", 7);
    expect(await eventsIn("b", 7)).toEqual(events);
    expect(await eventsIn("c", 8)).not.toEqual(events);
  } finally {
    rmSync(home, { recursive: true });
  }
});
