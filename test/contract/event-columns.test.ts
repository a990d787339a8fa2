/**
 * What is looked through in columns is what the events say, whatever became of them:
 * they came late, were replaced, lost their texts, went to an archive, or were there
 * before the columns were.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { MIGRATIONS } from "../../src/store/duckdb/schema.ts";
import { query } from "../support/database.ts";
import { T0, annotation, at, command, end, start } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { id } from "./expected.ts";

let home: string;
let store: DuckDBStore;
const path = () => join(home, "sessions.duckdb");
const open = async () => void (store = await DuckDBStore.open(path()));
const keeper = () =>
  store.maintenance({
    ...{ spooled: () => [], requireNotOwn() {}, alone: true },
    warn: (what) => expect(what).toBe(""),
  });

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "sb-columns-"));
  await open();
});
afterEach(async () => {
  await store.close();
  rmSync(home, { recursive: true });
});

type Row = Record<string, unknown>;

/** As the events' JSON has it. */
async function wanted(): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const { seq, event } of store.events({})) {
    const { event_type: kind } = event;
    if (!/^(command_start|command_end|annotation)$/.test(kind)) continue;
    const of = event as unknown as Row;
    const told = (name: string) => of[name] ?? null;
    rows.push({
      ...{ seq: String(seq), session_id: event.session_id, kind },
      timestamp: event.timestamp,
      ...{ pid: told("pid"), command_seq: told("seq") },
      ...{ shell_started_us: told("shell_started_us"), depth: told("depth") },
      text: told(kind === "annotation" ? "note" : "text"),
      text_base64: told("text_base64"),
      ...{ truncated_bytes: told("truncated_bytes"), mark: told("mark") },
      ...{ cwd: told("cwd"), exit_code: told("exit_code") },
      ...{ pipe_status: told("pipe_status"), duration_ms: told("duration_ms") },
    });
  }
  return rows;
}

/** What is in the file, which is closed for it. */
async function inFile(): Promise<Row[]> {
  await store.close();
  const rows = await query<Row>(
    path(),
    "SELECT * REPLACE (strftime(timestamp, '%Y-%m-%dT%H:%M:%S.%gZ') AS timestamp) FROM event_columns ORDER BY seq",
  );
  await open();
  return rows.map((row) => ({
    ...row,
    pid: row["pid"] && Number(row["pid"]),
    command_seq: row["command_seq"] && Number(row["command_seq"]),
    shell_started_us:
      row["shell_started_us"] && Number(row["shell_started_us"]),
  }));
}

const found = async (text: string) =>
  (await Array.fromAsync(store.search({ text }))).map((hit) => hit.text);

const TEXTS = ["make all", 'echo "\\n"', "ключ\u2028", "\0", "", null];

function life(random: Random, n: number): Event[] {
  const session_id = id(n);
  const shell = { session_id, pid: 7 + n };
  const begun = random.int(0, 100);
  const commands = Array.from({ length: random.int(0, 6) }, (_, seq) => {
    const of = {
      ...{ ...shell, seq },
      ...(random.chance(0.7) && { shell_started_us: T0 * 1_000 + n }),
      ...(random.chance(0.5) && { cwd: "/srv/ключ" }),
    };
    return [
      command(begun + seq, {
        ...{ ...of, text: random.pick(TEXTS), depth: random.int(0, 2) },
        ...(random.chance(0.2) && { mark: "private", truncated_bytes: 17 }),
        ...(random.chance(0.2) && { text_base64: "/w==" }),
      }),
      command(begun + seq + 0.5, {
        ...{ ...of, event_type: "command_end", exit_code: random.int(0, 2) },
        ...{ pipe_status: random.pick([null, [0, 141], []]) },
        duration_ms: random.pick([null, 0, 12.75]),
      }),
    ];
  }).flat();
  // Some are told twice, at another time.
  const twice = commands
    .filter(() => random.chance(0.2))
    .map((event) => {
      const again = command(begun + random.int(0, 2_000) / 7);
      const { event_id, timestamp } = again;
      const exit_code = random.pick([null, 3]);
      return event.event_type === "command_end"
        ? { ...event, event_id, timestamp, exit_code }
        : { ...event, event_id, timestamp };
    });
  return [
    start({ session_id, timestamp: at(begun) }),
    ...commands,
    ...twice,
    annotation(begun + 1, { session_id, note: random.pick(TEXTS) }),
    annotation(begun + 2, { session_id, metadata: { n } }),
    ...(random.chance(0.7) ? [end(begun + 50, { session_id })] : []),
  ] as Event[];
}

test("they hold what the events say, whatever became of these", async () => {
  const random = Random.seeded("columns");
  let sessions = 0;
  const late: Event[] = [];
  const steps: (() => Promise<unknown>)[] = [
    async () => {
      const lives = Array.from({ length: 5 }, () => life(random, sessions++));
      const events = random.shuffled(lives.flat());
      // Some come much later, some twice.
      late.push(...events.splice(0, random.int(0, 9)), ...events.slice(0, 2));
      for (const batch of random.batches(events)) await store.append(batch);
    },
    () => store.append(late.splice(0)),
    () => found("make"),
    () => store.idle(),
    () => store.catchUp(),
    async () => {
      await store.close();
      await open();
    },
    () =>
      keeper().removeTexts({
        session_id: id(random.int(0, Math.max(0, sessions - 1))),
        ...{ user: "les", event_ids: null },
      }),
    () => {
      const old = { ended_before: at(random.int(0, 150)), keep_tagged: false };
      return keeper().archive(old, join(home, crypto.randomUUID()));
    },
  ];
  for (let round = 0; round < 6; round++) {
    for (const step of random.shuffled([...steps, ...steps])) await step();
    const rows = await wanted();
    const asked = { timeout_ms: 60_000 };
    const sql = "SELECT count(*) FROM Commands";
    const { rows: counted } = await store.query({ sql, ...asked });
    const starts = rows.filter(({ kind }) => kind === "command_start");
    expect(await Array.fromAsync(counted)).toEqual([[starts.length]]);
    const { rows: paired } = await store.query({
      sql: "SELECT event_seq, exit_code, end_time, pipe_status FROM commands ORDER BY 1",
      ...asked,
    });
    const ran = await Array.fromAsync(store.commands({}));
    expect(await Array.fromAsync(paired)).toEqual(
      ran
        .sort((a, b) => a.event_seq - b.event_seq)
        .map((one) => [
          ...[one.event_seq, one.exit_code, one.end_time, one.pipe_status],
        ]),
    );
    const made = rows.filter(({ text }) => String(text).includes("make"));
    expect(await found("MAKE")).toHaveLength(made.length);
    expect(await inFile()).toEqual(rows);
  }
});

test("an event that another replaces is in them no more", async () => {
  const uid = { via: "socket", uid: 1_000, subject: null } as const;
  const from = { ...uid, address: null, reporter: "uid:1000" };
  const theirs = { ...from, uid: 2_000, reporter: "uid:2000" };
  await store.append([start({ session_id: id(0) })], from);
  const remark = annotation(1, { session_id: id(0), note: "a stranger's" });
  await store.append([remark], theirs);
  expect(await found("stranger")).toEqual(["a stranger's"]);
  const own = { ...remark, note: "the owner's" };
  await store.append([own], from);
  expect(await found("stranger")).toEqual([]);
  expect(await found("owner")).toEqual(["the owner's"]);
  expect(await inFile()).toEqual(await wanted());
});

test("of a database without them they are made when they are asked for", async () => {
  await store.close();
  rmSync(path());
  const before = MIGRATIONS.findIndex((sql) =>
    sql.includes("CREATE TABLE event_columns"),
  );
  await query(
    path(),
    `${MIGRATIONS.slice(0, before).join(";")};
    INSERT INTO schema_version VALUES (${before}, now()::TIMESTAMP);
    INSERT INTO events BY NAME SELECT i AS seq, uuid() AS event_id,
      '${id(0)}' AS session_id, 'command_start' AS kind,
      TIMESTAMP '2026-02-06 12:34:56' AS timestamp,
      '{"event_version":"1.0","event_id":"' || uuid() || '","session_id":"${id(0)}","timestamp":"${at(0)}","event_type":"command_start","text":"make ' || i || '"}' AS payload
    FROM range(1, 70001) AS r(i)`,
  );
  await open();
  expect(await inFile()).toEqual([]);
  // A server that nobody asks follows at a distance.
  await store.catchUp();
  expect((await inFile()).length).toBeWithin(1, 70_000);
  expect(await found("make 9999")).toEqual(["make 9999"]);
  expect(await inFile()).toEqual(await wanted());
});
