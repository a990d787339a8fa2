/** Work that may take long says how far it is: it begins, only goes on, and ends. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { exportEvents } from "../../src/access/export.ts";
import { ExportFolder } from "../../src/access/export-folder.ts";
import { importEvents } from "../../src/access/import.ts";
import { Candidate } from "../../src/access/restore.ts";
import { loadSettings } from "../../src/config/load.ts";
import { type Task, listen } from "../../src/model/progress.ts";
import { drain } from "../../src/spool/drain.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { plant } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";

interface Heard {
  name: string;
  steps: string[];
  fractions: number[];
  ended: boolean;
}

/** All tasks from now on, in the order in which they began. */
function hear() {
  const heard = new Map<Task, Heard>();
  listen({
    changed(task) {
      const { name, step, fraction } = task;
      const one = heard.get(task) ?? {
        ...{ name, steps: [], fractions: [], ended: false },
      };
      heard.set(task, one);
      if (step && one.steps.at(-1) !== step) one.steps.push(step);
      if (fraction !== null) one.fractions.push(fraction);
    },
    ended: (task) => void (heard.get(task)!.ended = true),
  });
  return {
    get all() {
      return [...heard.values()];
    },
    [Symbol.dispose]: () => listen(null),
  };
}

/** Each ended, and none went back. */
function expectOrderly(all: readonly Heard[]): void {
  for (const { name, ended, fractions } of all) {
    expect([name, ended]).toEqual([name, true]);
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    for (const fraction of fractions) expect(fraction).toBeWithin(0, 1.001);
  }
}

test("drain, backup, restore and archive say how far they are", async () => {
  using sandbox = new Sandbox();
  for (let file = 0; file < 3; file++)
    plant(
      sandbox,
      Array.from({ length: 200 }, () => ({ component: "planted" })),
    );
  const store = await DuckDBStore.open(sandbox.database);
  const file = join(sandbox.home, "copy.duckdb");
  using heard = hear();
  await drain(sandbox.data, store, Date.now);
  const maintenance = store.maintenance({
    spooled: () => [],
    requireNotOwn: () => {},
    alone: true,
    warn: (sentence) => expect(sentence).toBe(""),
  });
  await maintenance.backup(file, false);
  const request = {
    ended_before: new Date().toISOString(),
    keep_tagged: false,
  };
  await maintenance.archive(request, join(sandbox.home, "archive"));
  await store.close();
  const env = { HOME: sandbox.home };
  const candidate = await Candidate.of(loadSettings(env), file, () => {});
  candidate.discard();
  const { all } = heard;
  expectOrderly(all);
  const verifying = ["opening", "reading back", "comparing sessions"];
  const copying = ["reading", "writing", "comparing"];
  expect(all.map(({ name, steps }) => ({ name, steps }))).toEqual([
    { name: "drain", steps: expect.arrayContaining(["1024 events"]) },
    { name: "backup", steps: [...copying, ...verifying] },
    {
      name: "archive",
      steps: ["writing", "comparing", "removing", ...copying],
    },
    { name: "restore", steps: ["copying", ...verifying] },
  ]);
});

test("export and import say how far they are, a later export too", async () => {
  using sandbox = new Sandbox();
  const lives = Array.from({ length: 900 }, () => ({}));
  plant(sandbox, lives);
  await sandbox.list();
  const settings = loadSettings({ HOME: sandbox.home });
  using folder = ExportFolder.open(join(sandbox.home, "parts"), true);
  const exported = async () => {
    const store = await DuckDBStore.open(sandbox.database);
    try {
      await exportEvents(settings, store, folder, "ndjson", 1_000);
    } finally {
      await store.close();
    }
  };
  using heard = hear();
  await exported();
  plant(sandbox, lives);
  await sandbox.list();
  await exported();
  using other = new Sandbox();
  const there = loadSettings({ HOME: other.home });
  await importEvents(there, folder, (said) => expect(said).toBe(""));
  const all = heard.all.filter(({ name }) => name !== "drain");
  expectOrderly(all);
  const parts = [1, 2].map((n) => `looking at events-00000${n}.ndjson`);
  const [first, second, third] = all.map(({ name, steps, fractions }) => ({
    ...{ name, steps, last: fractions.at(-1) },
  }));
  expect(first).toMatchObject({
    name: "export",
    steps: ["1000 events"],
  });
  expect(second).toMatchObject({
    ...{ name: "export", steps: [...parts, "1000 events"] },
  });
  // Of what is new, not of all.
  expect(second!.last).toBeCloseTo(1_000 / 1_800);
  expect(third).toEqual({
    ...{ name: "import", steps: ["looking through", "storing"], last: 1 },
  });
});

test("one that fails ends, too", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, []);
  const store = await DuckDBStore.open(sandbox.database);
  using heard = hear();
  const maintenance = store.maintenance({
    spooled: () => [],
    requireNotOwn: () => {},
    alone: true,
    warn: () => {},
  });
  const nowhere = join(sandbox.home, "nosuch/copy.duckdb");
  await expect(maintenance.backup(nowhere, false)).rejects.toThrow(/nosuch/);
  await store.close();
  expect(heard.all).toHaveLength(1);
  expectOrderly(heard.all);
});
