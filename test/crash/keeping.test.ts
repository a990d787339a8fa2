/**
 * Backup, restore and archive, killed with -9 at each of their steps: before
 * every sync, rename and link that they make. Nothing is lost, everything is
 * as before or as after, and doing it again completes it.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { query } from "../support/database.ts";
import { expectFailure, plant } from "../support/host.ts";
import { archivedIn, idsOf, old, settled } from "../support/keeping.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer, readUntil } from "../support/server.ts";
import { killedAt } from "../support/killed.ts";
import { needs } from "../support/tools.ts";

/** A kill before a write leaves half a file, before the others a whole one. */
const STEPS = ["rename", "link", "unlink", "fsync", "pwrite64"];
/** More steps of a kind than any of them makes. */
const MAX_STEPS = 1_000;

/** A home whose database has old sessions, one that runs, and a log from a crash. */
let template: string;
let dead: string[];
let running: string;

beforeAll(async () => {
  template = mkdtempSync(join(tmpdir(), "sb-template-"));
  using sandbox = new Sandbox();
  dead = (await settled(sandbox, old(40))).sort();
  const server = await TestServer.start(sandbox);
  [running] = plant(sandbox, [{ component: "runs", end_source: null }]) as [
    string,
  ];
  expect(await sandbox.list()).toHaveLength(41);
  await server.stop("SIGKILL");
  expect(existsSync(`${sandbox.database}.wal`)).toBeTrue();
  cpSync(sandbox.data, template, { recursive: true });
}, 400_000);
afterAll(() => rmSync(template, { recursive: true, force: true }));

function fresh(): Sandbox {
  const sandbox = new Sandbox();
  cpSync(template, sandbox.data, { recursive: true });
  return sandbox;
}

/** What was being made in a folder by who is dead, or gone. */
const scratchIn = (folder: string) =>
  readdirSync(folder).filter((name) => name.startsWith(".session-buddy-"));

/**
 * Each step in a home of its own, each kind of them in a test of its own: all together
 * are long. What is true after each, `after` says.
 */
function killEverywhere(
  words: () => string[],
  after: (sandbox: Sandbox) => Promise<string>,
): void {
  const outcomes: Record<string, number> = {};
  let kills = 0;
  test.each(STEPS)(
    "killed at each %s",
    async (step) => {
      if (!needs("strace")) return;
      for (let n = 1; ; n += step === "pwrite64" ? n : 1) {
        expect(n).toBeLessThan(MAX_STEPS);
        using sandbox = fresh();
        const { killed, exitCode, stderr } = await killedAt(
          ...([sandbox, step, n, words()] as const),
        );
        if (!killed) expect([step, exitCode, stderr]).toEqual([step, 0, ""]);
        const outcome = await after(sandbox);
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        kills += Number(killed);
        if (!killed) break;
      }
    },
    600_000,
  );

  test("killed both before and after what it is about", () => {
    if (!needs("strace")) return;
    console.log(
      `${words()[0]}: killed ${kills} times, ${JSON.stringify(outcomes)}`,
    );
    expect(kills).toBeGreaterThan(STEPS.length);
    expect(Object.keys(outcomes)).toHaveLength(2);
  });
}

describe("backup: the file is whole or not there, and the database as it was", () => {
  const words = ["backup", "copy.duckdb"];
  killEverywhere(
    () => words,
    async (sandbox) => {
      expect(idsOf(await sandbox.list())).toEqual([...dead, running].sort());
      const copy = join(sandbox.home, "copy.duckdb");
      const there = existsSync(copy);
      if (there)
        expect(await sessionsIn(copy)).toEqual([...dead, running].sort());
      const again = await sandbox.run(["backup", "--force", "copy.duckdb"]);
      expect(again.exitCode).toBe(0);
      const left = readdirSync(sandbox.home).filter((n) => n.includes("copy"));
      expect([...left, ...scratchIn(sandbox.home)]).toEqual(["copy.duckdb"]);
      return there ? "whole" : "none";
    },
  );
});

describe("restore: the database is the old one or the restored one", () => {
  let other: Sandbox;
  let file: string;
  let restored: string;
  beforeAll(async () => {
    other = new Sandbox();
    [restored] = (await settled(other, [{ component: "restored" }])) as [
      string,
    ];
    file = join(other.home, "copy.duckdb");
    await other.run(["backup", file]);
  }, 400_000);
  afterAll(() => other[Symbol.dispose]());

  const words = () => ["restore", "--yes", file];
  killEverywhere(words, async (sandbox) => {
    // What the spool still holds comes to either; the old ones are in the old.
    const either = [restored, running].sort();
    const before = [...dead, running].sort();
    const first = idsOf(await sandbox.list());
    const is = first.includes(restored) ? "restored" : "old";
    const want = is === "old" ? before : either;
    // What was done waits its minute in the spool's `done`, at the latest.
    const seen = is === "old" ? first : [...new Set([...first, running])];
    expect(seen.sort()).toEqual(want);
    const beside = readdirSync(sandbox.data).filter((name) =>
      /before-[\d-]+(\+\d)?$/.test(name),
    );
    if (is === "restored") {
      expect(beside).toHaveLength(1);
      const kept = join(sandbox.data, beside[0]!);
      expect(await sessionsIn(kept)).toEqual(before);
    }
    const again = await sandbox.run(words());
    expect([again.exitCode, again.stderr]).toEqual([0, ""]);
    expect(idsOf(await sandbox.list())).toEqual(either);
    expect(scratchIn(sandbox.data)).toEqual([]);
    return is;
  });
});

describe("archive: each session is in the database or in a whole archive", () => {
  const archives = (sandbox: Sandbox) => {
    const folder = join(sandbox.data, "archive");
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => !name.startsWith("."))
      .map((name) => join(folder, name));
  };
  const words = ["archive-sessions", "--days", "30", "--yes"];
  killEverywhere(
    () => words,
    async (sandbox) => {
      const here = idsOf(await sandbox.list());
      const went = here.length === 1;
      const whole = [...dead, running].sort();
      expect(here).toEqual(went ? [running] : whole);
      for (const folder of archives(sandbox))
        expect(await archivedIn(sandbox, folder)).toEqual(dead);
      if (went) expect(archives(sandbox)).toHaveLength(1);
      const again = await sandbox.run(words);
      expect([again.exitCode, again.stderr]).toEqual([0, ""]);
      expect(idsOf(await sandbox.list())).toEqual([running]);
      const shown = await sandbox.run(["show-session", dead[0]!]);
      const named = archives(sandbox).filter((f) =>
        shown.stderr.includes(`'${f}'`),
      );
      expect(named).toHaveLength(1);
      const left = readdirSync(sandbox.data).filter((n) => /compact/.test(n));
      const folder = join(sandbox.data, "archive");
      expect([...left, ...scratchIn(folder)]).toEqual([]);
      return went ? "archived" : "not archived";
    },
  );
});

test("a server that is killed under it: who asked is told, and nothing is lost", async () => {
  if (!needs("strace")) return;
  for (const words of [
    ["archive-sessions", "--days", "30", "--yes"],
    ["backup", "copy.duckdb"],
  ]) {
    using sandbox = fresh();
    // The first name that it gives is that of the folder, or of the copy.
    const server = Bun.spawn(
      [
        ...["strace", "-f", "-o", "/dev/null", "-e", "trace=rename"],
        ...["-e", "inject=rename:signal=KILL:when=1"],
        ...[BINARY, "mcp", "start", "--port", "auto"],
      ],
      { env: sandbox.env, cwd: sandbox.home, stderr: "pipe" },
    );
    expect(await readUntil(server.stderr, /ready \(/)).toContain("ready");
    const result = await sandbox.run(words);
    expectFailure(result, 2, /^session-buddy: the server went away: .*nothing/);
    await server.exited;
    expect(idsOf(await sandbox.list())).toEqual([...dead, running].sort());
    expect(existsSync(join(sandbox.home, "copy.duckdb"))).toBeFalse();
    const again = await sandbox.run(words);
    expect([again.exitCode, again.stderr]).toEqual([0, ""]);
  }
}, 400_000);

async function sessionsIn(file: string): Promise<string[]> {
  const rows = await query<{ id: string }>(
    file,
    "SELECT session_id AS id FROM all_sessions ORDER BY 1",
  );
  return rows.map(({ id }) => id);
}
