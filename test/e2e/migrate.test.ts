/** Migrated databases: killed on the way and run again, they are what they were. */
import { SQL } from "bun";
import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { fill } from "../support/filled.ts";
import { configure, expectFailure } from "../support/host.ts";
import { emptyDatabase } from "../support/postgres.ts";
import { Random } from "../support/random.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

/** All of a file, but for what the place of its storing gives it. */
async function held(path: string) {
  const store = await DuckDBStore.open(path, { now: () => 0 });
  try {
    const events = await Array.fromAsync(store.events({}));
    return {
      events: events.map(({ event, provenance }) => ({ event, provenance })),
      rows: await Array.fromAsync(store.list({})),
      tombstones: await store.contents().tombstones(null),
    };
  } finally {
    await store.close();
  }
}

/** Of what takes longer than a while. */
const isProgress = (line: string) =>
  line.startsWith("session-buddy: migrate: ");

async function migrated(sandbox: Sandbox, from: string, to: string) {
  const words = ["migrate", "--from", from, "--to", to, "--json"];
  const done = await sandbox.run(words);
  const said = done.stderr.split("\n").filter((line) => !isProgress(line));
  expect([done.exitCode, said]).toEqual([0, [""]]);
  return JSON.parse(done.stdout);
}

const bytesOf = (path: string) =>
  [path, `${path}.wal`].reduce(
    (sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );

/** Runs it until something is so, and kills it then. */
async function killedOnce(
  sandbox: Sandbox,
  words: string[],
  come: () => boolean | Promise<boolean>,
): Promise<void> {
  const child = Bun.spawn([BINARY, ...words], {
    ...{ env: sandbox.envWith(), cwd: sandbox.home },
    ...{ stdout: "ignore", stderr: "ignore" },
  });
  while (!(await come())) {
    expect(child.exitCode).toBe(null);
    await Bun.sleep(2);
  }
  child.kill("SIGKILL");
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
}

/** A file with all that may be in one, and what is in it. */
async function filled(sandbox: Sandbox, lives: number) {
  const folder = join(sandbox.home, "move");
  mkdirSync(folder, { mode: 0o700 });
  const from = join(folder, "from.duckdb");
  const store = await DuckDBStore.open(from);
  await fill(store, Random.seeded("migrated"), lives);
  await store
    .maintenance({
      ...{ spooled: () => [], requireNotOwn: () => {}, alone: true },
      warn: (reason) => expect(reason).toBe(""),
    })
    .archive(
      { ended_before: "2026-02-06T12:35:00.000Z", keep_tagged: true },
      join(folder, "old"),
    );
  await store.close();
  const before = await held(from);
  expect(before.events.length).toBeGreaterThan(2 * 4_096);
  return { folder, from, before };
}

test("killed twice on the way, all is moved, once", async () => {
  using sandbox = new Sandbox();
  const { folder, from, before } = await filled(sandbox, 2_200);
  const to = join(folder, "to.duckdb");
  const words = ["migrate", "--from", from, "--to", to];
  // In the first batch of events, and in a later one.
  for (const bytes of [1_000_000, 9_000_000]) {
    await killedOnce(sandbox, words, () => bytesOf(`${to}.migrating`) > bytes);
    expect(existsSync(to)).toBe(false);
  }
  const done = await migrated(sandbox, from, to);
  expect(done).toMatchObject({
    events: before.events.length,
    compared: { events: before.events.length, more: 0, odd: 0 },
    archived_sessions: before.tombstones.length,
  });
  expect(done.moved_before).toBeGreaterThan(0);
  expect(await held(to)).toEqual(before);
  expect(await held(from)).toEqual(before);
  expect(readdirSync(folder).sort()).toEqual([
    ...["from.duckdb", "from.duckdb.lock", "old"],
    ...["to.duckdb", "to.duckdb.lock"],
  ]);
}, 400_000);

test("to PostgreSQL and back, killed twice on each way", async () => {
  if (!needsPostgres()) return;
  using sandbox = new Sandbox();
  await using database = await emptyDatabase();
  await using sql = new SQL(database.url, { max: 1 });
  const { folder, from, before } = await filled(sandbox, 2_200);
  const { url } = database;
  const there = ["migrate", "--from", from, "--to", url];
  const shared = join(sandbox.home, "shared");
  mkdirSync(shared, { mode: 0o700 });
  configure(sandbox, `store:\n  recordings: ${shared}\n`);
  const ids = before.rows.slice(0, 2).map(({ session_id }) => session_id);
  mkdirSync(join(folder, "recordings"), { mode: 0o700 });
  for (const [n, id] of ids.entries())
    writeFileSync(join(folder, "recordings", `${id}.rec`), `shown ${n}`);
  writeFileSync(join(folder, "recordings", `${ids[0]}.from`), "token:web01");
  const stored = async () => {
    const [row] = await sql`SELECT to_regclass('events') AS made`;
    if (row.made === null) return 0;
    const [{ n }] = await sql`SELECT count(*)::integer AS n FROM events`;
    return n as number;
  };
  for (const events of [0, 4_096])
    await killedOnce(sandbox, there, async () => (await stored()) > events);
  const moved = await migrated(sandbox, from, url);
  expect(moved.moved_before + moved.stored + moved.not_stored).toBe(
    before.events.length,
  );
  expect(moved.moved_before).toBeGreaterThan(0);

  expect(moved.recordings).toMatchObject({ files: 2, bytes: 14, there: 0 });

  mkdirSync(join(sandbox.home, "back"), { mode: 0o700 });
  const to = join(sandbox.home, "back", "to.duckdb");
  const back = ["migrate", "--from", url, "--to", to];
  for (const bytes of [1_000_000, 9_000_000]) {
    await killedOnce(sandbox, back, () => bytesOf(`${to}.migrating`) > bytes);
  }
  const returned = await migrated(sandbox, url, to);
  expect(returned.compared.sha256).toBe(moved.compared.sha256);
  for (const root of [shared, join(sandbox.home, "back")]) {
    const names = readdirSync(join(root, "recordings")).sort();
    expect(names).toEqual(
      [...ids.map((id) => `${id}.rec`), `${ids[0]}.from`].sort(),
    );
    for (const [n, id] of ids.entries())
      expect(readFileSync(join(root, "recordings", `${id}.rec`), "utf8")).toBe(
        `shown ${n}`,
      );
  }
  expect(await held(to)).toEqual(before);
  expect(await held(from)).toEqual(before);
}, 400_000);

test("alerts, and how far exports are, go along", async () => {
  if (!needsPostgres()) return;
  await using database = await emptyDatabase();
  await using sql = new SQL(database.url, { max: 1 });
  using sandbox = new Sandbox();
  await sandbox.run(["shell", "--", "true"]);
  // How many there are is the machine's: what takes longer says more.
  const { length } = sandbox.spooled();
  await sandbox.list();
  const exported = `${sandbox.database}.exported`;
  mkdirSync(exported, { mode: 0o700 });
  const text = '{"place":{"seq":2,"event_id":null,"received_at":null}}';
  writeFileSync(join(exported, "somewhere.json"), text, { mode: 0o600 });
  const { url } = database;
  const there = await migrated(sandbox, sandbox.database, url);
  expect(there).toMatchObject({ documents: 1, stored: length });
  const rows = await sql`SELECT name, text FROM documents`;
  expect([...rows]).toEqual([{ name: "somewhere.json", text }]);
  // Another run, or another host's, leaves what is there.
  await sql`UPDATE documents SET text = '{}'`;
  expect(await migrated(sandbox, sandbox.database, url)).toMatchObject({
    ...{ documents: 0, moved_before: length, stored: 0 },
  });
  const to = join(sandbox.home, "back", "sessions.duckdb");
  mkdirSync(join(sandbox.home, "back"), { mode: 0o700 });
  expect(await migrated(sandbox, url, to)).toMatchObject({ documents: 1 });
  const back = readFileSync(join(`${to}.exported`, "somewhere.json"), "utf8");
  expect(back).toBe("{}");
});

test("a dry run says how much there is, and leaves nothing", async () => {
  using sandbox = new Sandbox();
  await sandbox.run(["shell", "--", "true"]);
  const { length } = sandbox.spooled();
  await sandbox.list();
  const from = join(sandbox.data, "sessions.duckdb");
  const to = join(sandbox.home, "to", "new.duckdb");
  mkdirSync(join(sandbox.home, "to"), { mode: 0o700 });
  const words = ["migrate", "--from", from, "--to", to];
  const dry = await sandbox.run([...words, "--dry-run", "--json"]);
  expect([dry.exitCode, dry.stderr]).toEqual([0, ""]);
  const plan = JSON.parse(dry.stdout);
  const counts = { events: length, sample_events: length };
  expect(plan).toMatchObject({ from, to, ...counts });
  expect(plan.estimated_bytes).toBeGreaterThan(0);
  expect(readdirSync(join(sandbox.home, "to"))).toEqual(["new.duckdb.lock"]);
});

test("what cannot be moved is said, and nothing is made", async () => {
  using sandbox = new Sandbox();
  const to = join(sandbox.home, "new.duckdb");
  const own = join(sandbox.data, "sessions.duckdb");
  const refused = async (words: string[], exit: number, sentence: RegExp) => {
    const done = await sandbox.run(["migrate", ...words]);
    expectFailure(done, exit, sentence);
    expect(existsSync(to)).toBe(false);
  };
  await refused([], 64, /migrate needs --from/);
  await refused(["--from", "a"], 64, /migrate needs --to/);
  await refused(
    ["--from", own, "--to", to],
    1,
    /there is no database '.*sessions.duckdb'/,
  );
  await sandbox.run(["shell", "--", "true"]);
  await sandbox.list();
  await refused(
    ["--from", own, "--to", own],
    64,
    /is the source and the target/,
  );
  const nowhere = join(sandbox.home, "nowhere", "new.duckdb");
  await refused(["--from", own, "--to", nowhere], 64, /there is no folder/);
  const spool = join(sandbox.spool, "new.duckdb");
  await refused(["--from", own, "--to", spool], 64, /own files/);
  await using _server = await TestServer.start(sandbox);
  await refused(
    ["--from", own, "--to", to],
    3,
    /a server uses '.*sessions.duckdb'/,
  );
});
