/**
 * That what befalls a database in a round is real: a connection is cut at the COMMIT,
 * a standby has all that was acknowledged, a disk is full and a log is replayed.
 */
import { afterAll, expect, test } from "bun:test";
import { SQL } from "bun";
import { addressOf } from "../../../src/store/postgres/address.ts";
import { HostsPool } from "../../../src/store/postgres/connect.ts";
import { meaningOf } from "../../../src/store/postgres/retry.ts";
import { PostgresStore } from "../../../src/store/postgres/store.ts";
import { start } from "../../support/events.ts";
import { needsRoot } from "../../support/host.ts";
import { until } from "../../support/wait.ts";
import { Cluster } from "./cluster.ts";
import { DATABASE, needsPostgres } from "./node.ts";
import { CUTS } from "./relay.ts";

const there = needsPostgres() && needsRoot("nsenter", "runuser");
const cluster = there ? await Cluster.start(true) : null;
afterAll(() => cluster?.[Symbol.asyncDispose]());

/** Over a relay, as a server under test has it. */
function over(relay: number): SQL {
  const { port } = cluster!.relays[relay]!;
  const url = `postgres://postgres@127.0.0.1:${port}/${DATABASE}`;
  return new SQL(url, { max: 2, connectionTimeout: 10 });
}

const values = async (sql: SQL, what: string): Promise<number[]> =>
  (await sql`SELECT n FROM told WHERE what = ${what} ORDER BY n`).map(
    ({ n }: { n: number }) => n,
  );

test.skipIf(!there)(
  "a connection is cut at its COMMIT: before it, as it comes, after it",
  async () => {
    await using direct = cluster!.connect();
    await direct`CREATE TABLE told (what text, n integer)`;
    await using sql = over(0);
    const [relay] = cluster!.relays;
    for (const cut of CUTS) {
      relay!.cutNext(cut);
      const write = sql.begin(async (tx) => {
        await tx`INSERT INTO told VALUES (${cut}, 1)`;
      });
      await expect(write.then(() => "committed")).rejects.toThrow();
      // The next one goes through.
      await sql.begin((tx) => tx`INSERT INTO told VALUES (${cut}, 2)`);
    }
    expect(relay!.cuts).toBe(CUTS.length);
    expect(await values(direct, "before")).toEqual([2]);
    expect(await values(direct, "after")).toEqual([1, 2]);
    expect(await values(direct, "at")).toContain(2);
  },
);

test.skipIf(!there)(
  "a full disk refuses, and takes again when free",
  async () => {
    await using direct = cluster!.connect();
    cluster!.primary.disk!.fill();
    const large = direct`INSERT INTO told SELECT repeat('x', 1000), n FROM generate_series(1, 200000) AS n`;
    await expect(large.then(() => "stored")).rejects.toThrow();
    cluster!.primary.disk!.free();
    if (!(await cluster!.primary.runs())) await cluster!.primary.start();
    await using again = cluster!.connect();
    await again`INSERT INTO told VALUES ('freed', 1)`;
    expect(await values(again, "freed")).toEqual([1]);
  },
);

test.skipIf(!there)(
  "a standby has what was acknowledged, waits for none that it lacks, and takes writes once promoted",
  async () => {
    await using direct = cluster!.connect();
    await cluster!.stopStandby();
    const write = direct`INSERT INTO told VALUES ('held', 1)`;
    let acknowledged = false;
    const settled = write.then(
      () => (acknowledged = true),
      () => null,
    );
    await using other = cluster!.connect();
    await until("the commit to wait", async () => {
      const rows =
        await other`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'`;
      return rows.length > 0;
    });
    expect(acknowledged).toBe(false);
    await cluster!.standby.start();
    await settled;
    expect(acknowledged).toBe(true);
    await cluster!.restart();
    await cluster!.failOver();
    await using promoted = cluster!.connect();
    expect(await values(promoted, "held")).toEqual([1]);
    await using sql = over(1);
    await sql`INSERT INTO told VALUES ('promoted', 1)`;
    expect(await values(promoted, "promoted")).toEqual([1]);
  },
);

test.skipIf(!there)(
  "signs of life and duties do not wait for a standby that is away",
  async () => {
    await using second = await Cluster.start(false);
    const address = addressOf(second.url, null, null);
    const store = await PostgresStore.open(address, { server: "one" });
    const begun = start({ lease_seconds: 60 });
    await store.append([begun]);
    await second.stopStandby();
    const now = new Date().toISOString();
    await store.seen(new Map([[begun.session_id, now]]));
    expect(await store.expireLeases(Date.now(), 1e9)).toBe(0);
    await using sql = second.connect();
    const [row] = await sql`SELECT last_sign FROM signs`;
    expect(row.last_sign.toISOString()).toBe(now);
    await second.standby.start();
    await store.close();
  },
);

test.skipIf(!there)(
  "who reads is not answered by a standby, until that is promoted",
  async () => {
    await using second = await Cluster.start(false);
    const pool = new HostsPool(addressOf(second.url, null, null), {
      ...{ size: 1, statement_timeout_ms: 10_000 },
    });
    const read = () => pool.ask("SELECT 1 AS n");
    const answer = () => until("an answer", () => read().catch(() => null));
    expect(await answer()).toEqual([{ n: 1 }]);
    await second.primary.stop("immediate");
    // The first is of the connection that was cut; then both hosts are tried.
    for (let n = 0; n < 3; n++) {
      const error = await read().catch((error: unknown) => error);
      expect(meaningOf(error)).toBe("away");
    }
    await second.failOver();
    await answer();
    await pool.end();
  },
);
