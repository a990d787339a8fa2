/**
 * Every filter, alone and in company, against the same over the JSON of all rows: in
 * the file and in PostgreSQL, by a server's socket and its endpoint, and by the tool.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import {
  Client,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { UTC } from "../../src/model/clock.ts";
import type { Event } from "../../src/model/event.ts";
import { filterOf, type SessionFilter } from "../../src/model/filter.ts";
import { sessionJson } from "../../src/model/json.ts";
import { sessionIdOf } from "../../src/model/id.ts";
import type { SessionStore } from "../../src/model/store.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { HttpStore } from "../../src/store/remote/store.ts";
import { command, end, start } from "../support/events.ts";
import {
  type Asked,
  FILTER_NAMES,
  naive,
  oneFilter,
  randomFilter,
} from "../support/naive-filter.ts";
import { Random } from "../support/random.ts";
import { Sandbox, type SessionJson } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { type KeptPlace, SHARED } from "../support/stores.ts";

const SESSIONS = 80;
const HOUR_MS = 3_600_000;
const COMBINATIONS = 1_000;

const random = Random.seeded("filters");
const sandbox = new Sandbox();
let server: TestServer;
let local: DuckDBStore;
let client: Client;
let place: KeptPlace | undefined;
let shared: SessionStore | undefined;
const stores: Record<string, () => SessionStore> = {};

beforeAll(async () => {
  const events = lives(Date.now());
  const near = `${sandbox.home}/near.duckdb`;
  mkdirSync(sandbox.data, { recursive: true, mode: 0o700 });
  const fill = async (store: SessionStore) => {
    await store.append(events.spool);
    for (const [subject, theirs] of Object.entries(events.wire))
      await store.append(theirs, {
        ...{ via: "tcp", uid: null, subject, address: "192.0.2.7" },
        ...{ reporter: `token:${subject}`, acts_for_all: true },
      });
  };
  for (const path of [sandbox.database, near]) {
    const store = await DuckDBStore.open(path);
    await fill(store);
    await store.close();
  }
  const [kind] = SHARED;
  if (kind) {
    place = await kind.place();
    const store = await place.open();
    await fill(store);
    stores["PostgreSQL"] = () => store;
    shared = store;
  }
  local = await DuckDBStore.open(near);
  server = await TestServer.start(sandbox);
  const { socket } = JSON.parse(
    readFileSync(`${sandbox.data}/store.lock`, "utf8"),
  ) as { socket: string };
  const { pid } = server.child;
  stores["the file"] = () => local;
  stores["a socket"] = () => new HttpStore({ socket, pid });
  stores["an endpoint"] = () => new HttpStore({ url: server.url, token: null });
  client = new Client({ name: "test", version: "1" });
  await client.connect(new StreamableHTTPClientTransport(new URL(server.url)));
});
afterAll(async () => {
  await client?.close();
  await server?.[Symbol.asyncDispose]();
  await local?.close();
  await shared?.close();
  await place?.[Symbol.asyncDispose]();
  sandbox[Symbol.dispose]();
});

/** Sessions of the last 20 hours, of which a filter finds some and not others. */
function lives(now: number) {
  const spool: Event[] = [];
  const wire: Record<string, Event[]> = { web01: [], "": [] };
  for (let n = 0; n < SESSIONS; n++) {
    // Some begin in one moment.
    const begun =
      random.int(0, 9) === 0
        ? now - 7 * HOUR_MS
        : now - random.int(HOUR_MS / 60, 20 * HOUR_MS);
    const event_id = random.uuid();
    const component = random.pick(["bash", "zsh", "mahavishnu"]);
    const session_id = sessionIdOf(component, new Date(begun), event_id);
    const timestamp = new Date(begun).toISOString();
    const into = random.pick([spool, spool, wire["web01"]!, wire[""]!]);
    const common = { session_id, timestamp };
    into.push(
      start({
        ...{ ...common, event_id, component_name: component },
        session_type: random.pick(["admin_shell", "admin_shell", "ci_job"]),
        hostname: random.pick(["host1", "host2", "o'host"]),
        user: { username: random.pick(["les", "o'brien", "root"]), home: "/" },
        environment: {
          python_version: null,
          platform: "Linux",
          cwd: random.pick([
            "/",
            "/srv",
            "/srv/app",
            "/srv/app_2",
            "/srv/apps",
          ]),
        },
        name: random.pick([null, "deploy", "night shift"]),
        tags: random.shuffled(["prod", "test", "ö'%_"]).slice(random.int(0, 3)),
      }),
    );
    if (random.chance(0.7))
      into.push(
        command(0, {
          ...{ ...common, event_id: random.uuid() },
          text: random.pick(["git push", "Ls -LA", "echo 100%", "cat a_b"]),
        }),
        command(0, {
          ...{ ...common, event_id: random.uuid() },
          ...{ event_type: "command_end", duration_ms: 0 },
          exit_code: random.pick([0, 0, 1]),
        }),
      );
    if (random.chance(0.15)) continue;
    const lasted = random.pick([0, 1, 1_000, 60_000, random.int(1, HOUR_MS)]);
    const ended = Math.min(now - 1_000, begun + lasted * random.int(1, 5));
    into.push(
      end(0, {
        ...{ session_id, event_id: random.uuid() },
        timestamp: new Date(Math.max(begun, ended)).toISOString(),
        end_source: random.pick(["observed", "declared", "recovered"]),
        exit_code: random.pick([0, 0, 1, 255, null]),
        signal: random.pick([null, null, "SIGKILL"]),
      }),
    );
  }
  return { spool, wire };
}

const rowsOf = async (store: SessionStore, filter: SessionFilter = {}) =>
  (await Array.fromAsync(
    store.list(filter),
    sessionJson,
  )) as unknown as SessionJson[];

/** As the command line makes a filter, and asks a store. */
async function fromStore(store: SessionStore, asked: Asked, now: number) {
  const { args, ...rest } = asked;
  const filter = { ...filterOf(args, now, UTC), ...rest };
  return (await rowsOf(store, filter)).map(({ session_id }) => session_id);
}

/** By the tool, page after page. */
async function fromTool({ args, limit = Infinity, ...rest }: Asked) {
  const ids: string[] = [];
  let cursor: string | null | undefined;
  for (let left = limit; left > 0 && cursor !== null;) {
    const { structuredContent, content } = await client.callTool({
      name: "list_sessions",
      arguments: {
        ...{ ...args, ...rest, limit: Math.min(left, 60) },
        ...(cursor && { cursor }),
      },
    });
    expect(structuredContent, JSON.stringify(content)).toBeDefined();
    const page = structuredContent as {
      sessions: SessionJson[];
      next_cursor: string | null;
    };
    ids.push(...page.sessions.map(({ session_id }) => session_id));
    left -= page.sessions.length;
    cursor = page.next_cursor;
  }
  return ids;
}

/** As `check`, and what the statistics count. */
async function counted(asked: Asked, rows: SessionJson[]): Promise<number> {
  const found = await check(asked, rows);
  const before = Date.now();
  const filter = filterOf(asked.args, before, UTC);
  for (const store of [local, shared]) {
    if (!store) continue;
    const { sessions } = await store.stats(filter);
    const right = [before, Date.now()].map(
      (now) => naive(rows, asked, now).length,
    );
    expect(right, JSON.stringify(asked)).toContain(sessions);
  }
  return found;
}

/** All ways, each held to the naive one. */
async function check(asked: Asked, rows: SessionJson[]): Promise<number> {
  const now = Date.now();
  const wanted = naive(rows, asked, now);
  const found = await Promise.all(
    Object.entries(stores).map(async ([name, store]) => [
      name,
      await fromStore(store(), asked, now),
    ]),
  );
  found.push(["the tool", await fromTool(asked)]);
  // Each has a clock of its own: a session that lives may pass a limit meanwhile.
  const later = naive(rows, asked, Date.now());
  for (const [name, ids] of found)
    expect([name, asked, ids]).toEqual([
      ...[name, asked],
      Bun.deepEquals(ids, later) ? later : wanted,
    ]);
  return wanted.length;
}

test("all stores have the same rows", async () => {
  const [file, ...others] = await Promise.all(
    Object.values(stores).map((store) => rowsOf(store())),
  );
  expect(file).toHaveLength(SESSIONS);
  const still = (rows: SessionJson[]) =>
    rows.map((row) => ({
      ...row,
      ...(row.end_time === null && { duration_seconds: 0 }),
    }));
  for (const rows of others) expect(still(rows)).toEqual(still(file!));
});

describe("alone:", () => {
  for (const name of FILTER_NAMES)
    test(name, async () => {
      const rows = await rowsOf(local);
      // It is not that nothing, or all, was found each time.
      let told = false;
      for (let round = 0; round < 8 || (!told && round < 80); round++) {
        const filter = oneFilter(name, random, rows, Date.now());
        const found = await counted(filter, rows);
        told ||= found > 0 && found < SESSIONS;
      }
      expect(told).toBe(true);
    });
});

test("in company", async () => {
  const rows = await rowsOf(local);
  let some = 0;
  for (let round = 0; round < COMBINATIONS; round++)
    if ((await check(randomFilter(random, rows, Date.now()), rows)) > 0) some++;
  expect(some).toBeGreaterThan(COMBINATIONS / 4);
}, 600_000);
