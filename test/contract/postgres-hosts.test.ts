/**
 * Connections to a database with several hosts: whoever asks is answered by the one that
 * can be written, wherever it stands in the list, and is told when a host has gone silent.
 */
import { expect, test } from "bun:test";
import { type Address, addressOf } from "../../src/store/postgres/address.ts";
import {
  HostsPool,
  type PoolOptions,
} from "../../src/store/postgres/connect.ts";
import { meaningOf, retried } from "../../src/store/postgres/retry.ts";
import { Node, needsPostgres } from "../crash/postgres/node.ts";
import { PostgresRelay } from "../crash/postgres/relay.ts";
import { start } from "../support/events.ts";
import { pgbouncer } from "../support/pgbouncer.ts";
import { freePort } from "../support/free-port.ts";
import { emptyDatabase } from "../support/postgres.ts";
import { openPostgres } from "../support/stores.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

const OPTIONS: PoolOptions = { size: 2, statement_timeout_ms: 10_000 };

/** Of a database, with relays before it for hosts. */
async function setUp(relays: number) {
  const database = await emptyDatabase();
  const { port, pathname } = new URL(database.url);
  const before = Array.from(
    { length: relays },
    () => new PostgresRelay(Number(port)),
  );
  await Promise.all(before.map((relay) => relay.listening));
  const addressWith = (ports: readonly number[]): Address => {
    const hosts = ports.map((one) => `127.0.0.1:${one}`).join(",");
    return addressOf(`postgres://postgres@${hosts}${pathname}`, null, null);
  };
  return {
    before,
    addressWith,
    async [Symbol.asyncDispose]() {
      for (const relay of before) await relay[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

test.skipIf(!needsPostgres())(
  "a host that is not there costs nobody an answer",
  async () => {
    await using site = await setUp(2);
    const [shut, open] = site.before as [PostgresRelay, PostgresRelay];
    shut.close();
    const ports = [await freePort(), shut.port, open.port];
    const pool = new HostsPool(site.addressWith(ports), OPTIONS);
    expect(await pool.ask("SELECT 1 AS n")).toEqual([{ n: 1 }]);
    open.close();
    shut.open();
    // What was open is cut, and found so by whoever uses it first.
    const read = () => pool.transaction((tx) => tx.ask("SELECT 2 AS n"));
    expect(await retried(60_000, read)).toEqual([{ n: 2 }]);
    await pool.end();
  },
  400_000,
);

test.skipIf(!needsPostgres())(
  "what one pool finds out of the hosts the others of an address need not",
  async () => {
    await using site = await setUp(2);
    const [shut, open] = site.before as [PostgresRelay, PostgresRelay];
    shut.close();
    const address = site.addressWith([shut.port, open.port]);
    const [first, second] = [1, 2].map(() => new HostsPool(address, OPTIONS));
    expect(await first!.ask("SELECT 1 AS n")).toEqual([{ n: 1 }]);
    const came = shut.came;
    expect(came).toBeGreaterThan(0);
    expect(await second!.ask("SELECT 2 AS n")).toEqual([{ n: 2 }]);
    expect(shut.came).toBe(came);
    await Promise.all([first!.end(), second!.end()]);
  },
  400_000,
);

test.skipIf(!needsPostgres())(
  "a host that goes silent at the COMMIT is given up",
  async () => {
    await using site = await setUp(1);
    const [relay] = site.before as [PostgresRelay];
    const pool = new HostsPool(site.addressWith([relay.port]), {
      ...{ size: 1, statement_timeout_ms: 2_000 },
    });
    const silent = pool.transaction(async (tx) => {
      await tx.ask("SELECT 1");
      relay.stall();
    });
    const error = await silent.catch((error: unknown) => error);
    expect(meaningOf(error)).toBe("away");
    // Nor does anybody wait for whom no connection comes.
    const next = await pool
      .transaction((tx) => tx.ask("SELECT 1"))
      .catch((error: unknown) => error);
    expect(meaningOf(next)).toBe("away");
    relay.flow();
    expect(await pool.ask("SELECT 4 AS n")).toEqual([{ n: 4 }]);
    await pool.end();
  },
  400_000,
);

test.skipIf(!needsPostgres())(
  "who gets no connection is not told that the database is silent, and takes nobody's",
  async () => {
    await using database = await emptyDatabase();
    const pool = new HostsPool(addressOf(database.url, null, null), {
      ...{ size: 1, statement_timeout_ms: 2_000 },
    });
    const done = await pool.transaction(async (tx) => {
      await tx.ask("SELECT 1");
      const others = await Promise.allSettled([
        pool.ask("SELECT 2"),
        pool.transaction((other) => other.ask("SELECT 3")),
      ]);
      expect(others).toMatchObject(
        Array(2).fill({ status: "rejected", reason: { code: "overloaded" } }),
      );
      return tx.ask("SELECT 4 AS n");
    });
    expect(done).toEqual([{ n: 4 }]);
    await pool.end();
  },
  400_000,
);

test.skipIf(!needsPostgres())(
  "a lock that somebody keeps is not waited for until a statement's end",
  async () => {
    await using database = await emptyDatabase();
    const pool = new HostsPool(addressOf(database.url, null, null), {
      ...{ size: 2, statement_timeout_ms: 600_000 },
    });
    await pool.ask("CREATE TABLE kept AS SELECT 1 AS n");
    const LOCK = "SELECT n FROM kept FOR UPDATE";
    const error = await pool.transaction(async (tx) => {
      await tx.ask(LOCK);
      return pool.ask(LOCK).catch((error: unknown) => error);
    });
    expect(meaningOf(error)).toBe("again");
    await pool.end();
  },
  400_000,
);

test.skipIf(!(needsPostgres() && needs("pgbouncer")))(
  "a database that its pooler does not reach is away, and comes back",
  async () => {
    await using node = await Node.copy(false);
    await node.start();
    const port = await freePort();
    const settings = `[databases]
session_buddy = host=127.0.0.1 port=${node.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
pool_mode = transaction
server_login_retry = 1
`;
    await using _pooler = await pgbouncer(settings, port, ["postgres"]);
    const url = `postgres://postgres@127.0.0.1:${port}/session_buddy?pgbouncer=true`;
    const at = (url: string) => ({
      ...{ url, [Symbol.asyncDispose]: async () => {} },
    });
    const open = (from = url) =>
      openPostgres(at(from), { patience_ms: 0, statement_timeout_ms: 1_000 });
    // Its tables may take longer to make than that.
    await (await openPostgres(at(url))).close();
    const store = await open();
    await node.stop("immediate");
    await until("the pooler to say so", async () => {
      const error = await store.append([start()]).catch((error) => error);
      expect(error).toMatchObject({ code: "overloaded" });
      return String(error).includes("server login has been failing");
    });
    expect(store.facts().away).not.toBeNull();
    await node.start();
    await until("it to be back", () =>
      store.append([start()]).catch(() => null),
    );
    expect(store.facts().away).toBeNull();
    await store.close();
    // What it never takes is no outage.
    const nowhere = open(url.replace("/session_buddy?", "/nowhere?"));
    await expect(nowhere).rejects.toMatchObject({ code: "storage" });
  },
  400_000,
);
