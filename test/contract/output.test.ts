/**
 * What recorded terminals showed is found, each line once, whatever becomes of the
 * recording, of its session, and of whoever reads it.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OutputLines } from "../../src/model/recording/searched.ts";
import { searchRecordings } from "../../src/access/searched-recordings.ts";
import { hitCursor, readHitCursor } from "../../src/model/cursor.ts";
import type { Entry } from "../../src/model/recording/format.ts";
import { EVERY_RULE } from "../../src/model/redaction/custom.ts";
import type { Hit, SearchFilter } from "../../src/model/search.ts";
import type { KeptStore } from "../../src/model/store.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import type { PostgresOptions } from "../../src/store/postgres/options.ts";
import { query } from "../support/database.ts";
import { T0, annotation, at, command, end, start } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { blockOf, recordingOf, shown } from "../support/recording.ts";
import { type KeptPlace, STORES } from "../support/stores.ts";
import { id } from "./expected.ts";
import { rowsOf } from "./queries.ts";

describe.each(STORES)("$kind:", ({ kind, place: makePlace }) => {
  let home: string;
  let place: KeptPlace;
  let store: KeptStore;
  let leftOut: string[];
  const open = async () => void (store = await place.open());

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), "sb-output-"));
    mkdirSync(join(home, "recordings"), { mode: 0o700 });
    leftOut = [];
    place = await makePlace();
    await open();
  });
  afterEach(async () => {
    await store.close();
    await place[Symbol.asyncDispose]();
    rmSync(home, { recursive: true });
  });

  const fileOf = (session_id: string) =>
    join(home, "recordings", `${session_id}.rec`);

  function keep(session_id: string, file: Uint8Array): void {
    writeFileSync(fileOf(session_id), file, { mode: 0o600 });
  }

  /** A recording of lines, each at a second. */
  const recording = (session_id: string, lines: readonly [number, string][]) =>
    recordingOf([lines.map(([at_s, text]) => shown(at_s, `${text}\r\n`))], {
      ...{ session_id, started_at: at(0) },
    });

  const pass = (goesOn = () => true, within_ms = 120_000) =>
    searchRecordings({
      ...{ data: home, lines: store.output },
      ...{ redaction: EVERY_RULE, goesOn, within_ms, begins: () => true },
      leftOut: (path, why) => leftOut.push(`${path}: ${why}`),
    });

  const hits = (
    text: string,
    more: Partial<SearchFilter> = {},
  ): Promise<Hit[]> => Array.fromAsync(store.search({ text, ...more }));
  const found = async (text: string, more: Partial<SearchFilter> = {}) =>
    (await hits(text, { in: "output", ...more })).map((hit) => hit.text);

  const keeper = () =>
    store.maintenance({
      ...{ spooled: () => [], requireNotOwn() {}, alone: true },
      warn: (what) => expect(what).toMatch(/^(PostgreSQL's files keep .*)?$/),
    });

  /** The lines, as the database has them after a close. */
  async function inFile() {
    await store.close();
    await open();
    return rowsOf(
      store,
      "SELECT session_id, recording_line AS number, text FROM output ORDER BY session_id, recording_line",
    );
  }

  test("a hit is a line of a closed session, with its moment and its millisecond", async () => {
    await store.append([
      start({ session_id: id(0), user: { username: "ann", home: "/" } }),
      // Its id names another second.
      start({ session_id: id(1), hostname: "web1", timestamp: at(0.5 + 1) }),
      command(1, { session_id: id(0), text: "find Needle" }),
      annotation(2, { session_id: id(0), note: "a needle" }),
      start({ session_id: id(2), name: "needle" }),
      end(100, { session_id: id(0), exit_code: 3 }),
    ]);
    keep(
      id(0),
      recording(id(0), [
        [1.5, "a NEEDLE, shown"],
        [9, "hay"],
      ]),
    );
    keep(id(1), recording(id(1), [[3, "needle of one that goes on"]]));
    expect(await pass()).toEqual({ read: 1, left: 0 });
    const all = await hits("needle");
    expect(all.map(({ field, text }) => [field, text])).toEqual([
      ["note", "a needle"],
      ["output", "a NEEDLE, shown"],
      ["command", "find Needle"],
      ["name", "needle"],
    ]);
    expect(all[1]).toEqual({
      ...{ session_id: id(0), component_name: "bash", username: "ann" },
      ...{ hostname: "host", field: "output", time: at(1.5) },
      ...{ text: "a NEEDLE, shown", matches: ["NEEDLE"], exit_code: null },
      ...{ event_seq: null, recording_ms: 1_500, recording_line: 1 },
    });
    const places = { commands: [2], notes: [0], output: [1], sessions: [3] };
    for (const [place, which] of Object.entries(places))
      expect(
        await hits("needle", { in: place as SearchFilter["in"] & {} }),
      ).toEqual(which.map((n) => all[n]!));
    await store.append([end(50, { session_id: id(1) })]);
    expect(await pass()).toEqual({ read: 1, left: 0 });
    expect(await pass()).toEqual({ read: 0, left: 0 });
    const two = ["needle of one that goes on", "a NEEDLE, shown"];
    expect(await found("needle")).toEqual(two);
    const cases: [Partial<SearchFilter>, string[]][] = [
      [{ user: "ann" }, two.slice(1)],
      [{ host: "web1" }, two.slice(0, 1)],
      [{ component: "zsh" }, []],
      [{ after: at(2) }, two.slice(0, 1)],
      [{ before: at(3) }, two.slice(1)],
      [{ limit: 1 }, two.slice(0, 1)],
    ];
    for (const [filter, wanted] of cases)
      expect([filter, await found("needle", filter)]).toEqual([filter, wanted]);
    expect(await found("^a N.*n$", { regex: true })).toEqual(two.slice(1));
    const asked = { timeout_ms: 60_000 };
    const { rows } = await store.query({
      sql: "SELECT recording_ms, hostname, time, text FROM output ORDER BY time",
      ...asked,
    });
    expect(await Array.fromAsync(rows)).toEqual([
      [1_500, "host", at(1.5), two[1]!],
      [3_000, "web1", at(3), two[0]!],
      [9_000, "host", at(9), "hay"],
    ]);
  });

  test("pages of it are all of it, many lines in a millisecond too", async () => {
    const random = Random.seeded("output");
    const ids = [0, 1, 2].map((n) => id(n));
    await store.append(
      ids.flatMap((session_id) => [
        start({ session_id }),
        end(1e6, { session_id }),
      ]),
    );
    for (const session_id of ids) {
      const moments = [0, 0.001, 1, 3_600, 86_400];
      const lines = Array.from({ length: 90 }, (_, n): [number, string] => [
        random.pick(moments),
        `needle ${n}`,
      ]).sort(([a], [b]) => a - b);
      keep(session_id, recording(session_id, lines));
    }
    await pass();
    const all = await hits("needle");
    expect(all).toHaveLength(270);
    const sorted = all.toSorted(
      (a, b) =>
        b.time.localeCompare(a.time) ||
        a.session_id.localeCompare(b.session_id) ||
        b.recording_line! - a.recording_line!,
    );
    expect(all).toEqual(sorted);
    const paged: Hit[] = [];
    for (let page; ; paged.push(...page)) {
      const last = paged.at(-1);
      const from = last && readHitCursor(hitCursor(last));
      page = await hits("needle", { limit: 7, ...(from && { from }) });
      if (page.length === 0) break;
    }
    expect(paged).toEqual(all);
  });

  test("read in however many pieces, by however many processes, a line is there once", async () => {
    const random = Random.seeded("pieces");
    await store.append([
      start({ session_id: id(0) }),
      end(9_999, { session_id: id(0) }),
    ]);
    const blocks = Array.from({ length: 40 }, (_, block): Entry[] => [
      shown(block, `line of ${block}\r\n${"x".repeat(60)}\r\n`.repeat(400)),
    ]);
    const head = { session_id: id(0), started_at: at(0) };
    keep(id(0), recordingOf(blocks, head));
    let passes = 0;
    for (let left = 1; left > 0; passes++) {
      // More each time: what is there is gone through again.
      let pieces = random.int(1, 3) * 2 ** passes;
      ({ left } = await pass(() => pieces-- > 0));
      if (random.chance(0.4)) {
        await store.close();
        await open();
      }
    }
    expect(passes).toBeGreaterThan(2);
    const rows = await inFile();
    expect(rows).toHaveLength(40 * 400 * 2);
    expect(rows.map((row) => (row as { number?: number }).number)).toEqual(
      rows.map((_, i) => i + 1),
    );
    expect(await found("line of 17")).toHaveLength(400);
  });

  test("of one that takes long the rest is for whoever has the time", async () => {
    await store.append([
      start({ session_id: id(0) }),
      end(9, { session_id: id(0) }),
    ]);
    const many = `${"x".repeat(70)}\r\n`.repeat(20_000);
    const head = { session_id: id(0), started_at: at(0) };
    keep(
      id(0),
      recordingOf(
        [[shown(1, many.slice(0, 700_000))], [shown(2, many.slice(700_000))]],
        head,
      ),
    );
    expect(await pass(undefined, 1)).toEqual({ read: 1, left: 0 });
    expect(leftOut).toEqual([
      expect.stringMatching(/: only its first \d+ lines are searched$/),
    ]);
    expect(await pass(undefined, 1)).toEqual({ read: 0, left: 0 });
    expect(await pass()).toEqual({ read: 1, left: 0 });
    expect(await inFile()).toHaveLength(20_000);
    expect(await pass(undefined, 1)).toEqual({ read: 0, left: 0 });
  });

  test("a file that was changed is read anew, one that was touched is not", async () => {
    await store.append([
      start({ session_id: id(0) }),
      end(9, { session_id: id(0) }),
    ]);
    keep(id(0), recording(id(0), [[1, "first"]]));
    await pass();
    keep(id(0), recording(id(0), [[1, "second"]]));
    await pass();
    expect([await found("first"), await found("second")]).toEqual([
      [],
      ["second"],
    ]);
    utimesSync(fileOf(id(0)), 1, 1);
    expect(await pass()).toEqual({ read: 1, left: 0 });
    expect(await pass()).toEqual({ read: 0, left: 0 });
    expect(await found("second")).toEqual(["second"]);
    rmSync(fileOf(id(0)));
    await pass();
    expect(await inFile()).toEqual([]);
    rmSync(join(home, "recordings"), { recursive: true });
    await pass();
  });

  test("what was removed of a session stays away, whatever its recording says", async () => {
    const typed = [0, 1, 2].map((n) =>
      command(1, { session_id: id(n), text: "typed" }),
    );
    for (const [n, event] of typed.entries())
      await store.append([start({ session_id: id(n) }), event]);
    const lines: [number, string][] = [
      [1, "typed"],
      [2, "shown"],
    ];
    keep(id(0), recording(id(0), lines));
    await store.append([end(3, { session_id: id(0) })]);
    await pass();
    expect(await found("typed")).toEqual(["typed"]);
    const by = { user: "les" };
    const of = [typed[2]!.event_id];
    const removals = [
      { ...by, session_id: id(0), event_ids: null },
      { ...by, session_id: id(1), event_ids: [], recording: true as const },
      // As an earlier version did: it left the recording where it was.
      { ...by, session_id: id(2), event_ids: of },
    ];
    for (const removal of removals) await keeper().removeTexts(removal);
    expect(await inFile()).toEqual([]);
    expect(await pass()).toEqual({ read: 1, left: 0 });
    expect(await inFile()).toEqual([]);
    const later = (Date.now() - T0) / 1_000 + 60;
    for (const n of [1, 2]) {
      keep(id(n), recording(id(n), [...lines, [later, "later"]]));
      await store.append([end(later, { session_id: id(n) })]);
    }
    await pass();
    // Of one command: what was shown since is another text.
    expect(await inFile()).toMatchObject([
      { session_id: id(2), text: "later" },
    ]);
  });

  test.each([
    ["removed", "while its lines are read"],
    ["archived", "while its lines are read"],
    ["removed", "before its lines are read"],
    ["archived", "before its lines are read"],
  ])("what is %s %s is not there afterwards", async (how, when) => {
    await store.append([
      start({ session_id: id(0) }),
      end(9, { session_id: id(0) }),
    ]);
    const lines = Array.from({ length: 60_000 }, (_, n) => `typed ${n}\r\n`);
    const head = { session_id: id(0), started_at: at(0) };
    keep(id(0), recordingOf([[shown(1, lines.join(""))]], head));
    const go = () =>
      how === "removed"
        ? keeper().removeTexts({
            ...{ session_id: id(0), user: "les", event_ids: null },
          })
        : keeper().archive(
            { ended_before: at(1_000), keep_tagged: false },
            join(home, "archive"),
          );
    let gone: Promise<unknown> | null = null;
    let begun = false;
    const { output } = store;
    const begin: OutputLines["begin"] = async (...given) => {
      if (when.startsWith("before")) await (gone ??= go());
      begun = true;
      return output.begin(...given);
    };
    await searchRecordings({
      data: home,
      lines: Object.create(output, { begin: { value: begin } }) as OutputLines,
      ...{ redaction: EVERY_RULE, within_ms: 120_000, begins: () => true },
      leftOut() {},
      async goesOn() {
        if (begun) await (gone ??= go());
        return true;
      },
    });
    expect(gone).not.toBeNull();
    await pass();
    expect(await inFile()).toEqual([]);
  });

  if (kind === "DuckDB")
    test("lines are in no backup, and stay when the file is written anew", async () => {
      for (const n of [0, 1]) {
        await store.append([
          start({ session_id: id(n) }),
          end(9, { session_id: id(n) }),
        ]);
        keep(id(n), recording(id(n), [[1, `line of ${n}`]]));
      }
      await pass();
      const file = join(home, "copy.duckdb");
      expect(await keeper().backup(file, false)).toMatchObject({ sessions: 2 });
      expect(
        await query(
          file,
          `SELECT (SELECT count(*)::INTEGER FROM output) AS lines,
        (SELECT count(*)::INTEGER FROM searched_recordings) AS recordings`,
        ),
      ).toEqual([{ lines: 0, recordings: 0 }]);
      const all = { session_id: id(0), user: "les", event_ids: null };
      await keeper().removeTexts(all);
      expect(await inFile()).toMatchObject([{ text: "line of 1" }]);
      await store.close();
      store = await DuckDBStore.open(file);
      expect(await pass()).toEqual({ read: 2, left: 0 });
      expect(await found("line of")).toHaveLength(2);
    });

  if (kind !== "DuckDB")
    test("each process looks after the recordings of its own folder", async () => {
      await store.append([
        start({ session_id: id(0) }),
        end(9, { session_id: id(0) }),
      ]);
      keep(id(0), recording(id(0), [[1, "needle"]]));
      await pass();
      await store.close();
      const elsewhere: PostgresOptions = { recordings: "elsewhere" };
      store = await place.open(elsewhere);
      const empty = { data: join(home, "empty"), lines: store.output };
      await searchRecordings({
        ...{ ...empty, redaction: EVERY_RULE, goesOn: () => true },
        ...{ within_ms: 120_000, begins: () => true, leftOut() {} },
      });
      expect(await found("needle")).toEqual(["needle"]);
      await store.close();
      await open();
      rmSync(fileOf(id(0)));
      await pass();
      expect(await found("needle")).toEqual([]);
    });

  test("an archived session has no lines, and gets none", async () => {
    await store.append([
      start({ session_id: id(0) }),
      end(9, { session_id: id(0) }),
    ]);
    keep(id(0), recording(id(0), [[1, "old"]]));
    await pass();
    const old = { ended_before: at(1_000), keep_tagged: false };
    await keeper().archive(old, join(home, "archive"));
    expect(await inFile()).toEqual([]);
    expect(await pass()).toEqual({ read: 0, left: 0 });
    expect(await inFile()).toEqual([]);
  });

  test("what is damaged or none is said once, and what is whole of it found", async () => {
    const ids = Array.from({ length: 6 }, (_, n) => id(n));
    await store.append(
      ids.flatMap((session_id) => [
        start({ session_id }),
        end(9, { session_id }),
      ]),
    );
    const whole = (n: number) =>
      recordingOf(
        [
          [shown(1, `before ${n}\r\n`)],
          [shown(2, "between\r\n")],
          [shown(3, `after ${n}\r\n`)],
        ],
        { session_id: id(n), started_at: at(0) },
      );
    const damaged = Buffer.from(whole(0));
    const middle = blockOf([shown(2, "between\r\n")]);
    const at_byte = damaged.indexOf(middle.subarray(0, 28));
    damaged[at_byte + 40]! ^= 0xff;
    keep(id(0), damaged);
    keep(id(1), Buffer.from("no recording at all"));
    keep(id(2), whole(3));
    // Cut off by a kill: that is none of its faults.
    keep(id(4), whole(4).subarray(0, -5));
    // A terabyte of nothing, it says.
    const bomb = Buffer.from(whole(5));
    bomb.writeUInt32LE(
      0xffff_ffff,
      bomb.indexOf(blockOf([shown(1, "before 5\r\n")]).subarray(0, 8)) + 20,
    );
    keep(id(5), bomb);
    expect(await pass()).toEqual({ read: 5, left: 0 });
    expect(await found("before")).toEqual(["before 0", "before 4"]);
    expect(await found("after")).toEqual(["after 0", "after 5"]);
    const said = leftOut.toSorted().map((line) => line.replaceAll(home, ""));
    expect(said).toEqual([
      expect.stringMatching(
        /^\/recordings\/bash.*-0+0.rec: \d+ bytes of it are damaged$/,
      ),
      expect.stringContaining(
        "is no recording of a terminal: it does not begin as one",
      ),
      expect.stringContaining(`says that it is of session '${id(3)}'`),
      expect.stringMatching(/bytes of it are damaged$/),
    ]);
    leftOut = [];
    expect(await pass()).toEqual({ read: 0, left: 0 });
    expect(leftOut).toEqual([]);
  });

  test("what is no block to its end is no tail that a kill has left", async () => {
    await store.append([
      start({ session_id: id(0) }),
      end(9, { session_id: id(0) }),
    ]);
    const noise = crypto.getRandomValues(new Uint8Array(64 * 1024));
    const whole = recording(id(0), [[1, "first"]]);
    keep(id(0), Buffer.concat([whole, noise, noise, noise]));
    await pass();
    expect(await found("first")).toEqual(["first"]);
    expect(leftOut).toEqual([
      expect.stringMatching(/: 196608 bytes of it are damaged$/),
    ]);
  });

  test("of more than is kept the newest recordings are found", async () => {
    await store.append(
      [0, 1, 2].flatMap((n) => [
        start({ session_id: id(n), timestamp: at(n) }),
        end(9, { session_id: id(n) }),
      ]),
    );
    for (const n of [0, 1, 2])
      keep(
        id(n),
        recordingOf([[shown(1, `${"x".repeat(99)} ${n}\r\n`.repeat(10))]], {
          ...{ session_id: id(n), started_at: at(n) },
        }),
      );
    Object.assign(store.output, { most_bytes: 2_500 });
    await pass();
    const kept = (await inFile()).map(({ session_id }) => session_id);
    expect(new Set(kept)).toEqual(new Set([id(1), id(2)]));
    expect(await pass()).toEqual({ read: 0, left: 0 });
    const { rows } = await store.query({
      sql: "SELECT lines, left_out FROM recordings ORDER BY start_time",
      timeout_ms: 60_000,
    });
    expect(await Array.fromAsync(rows)).toEqual([
      [0, expect.stringMatching(/^newer recordings have as many lines/)],
      ...[
        [10, null],
        [10, null],
      ],
    ]);
  });

  test("a secret that came with a recording of another host is not found", async () => {
    await store.append([
      start({ session_id: id(0) }),
      end(9, { session_id: id(0) }),
    ]);
    const secret = ["gh", "p_", "0123456789abcdefghijABCDEFGHIJ012345"].join(
      "",
    );
    keep(id(0), recording(id(0), [[1, `token: ${secret} shown`]]));
    await pass();
    expect(await found(secret.slice(8))).toEqual([]);
    expect(await found("shown")).toEqual([
      expect.stringContaining("[redacted:"),
    ]);
  });
});
