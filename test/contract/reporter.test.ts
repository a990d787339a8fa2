/**
 * Whose word counts, at the store: a session belongs to its first reporter,
 * whatever the order, the batch, a crash, or a later folding makes of it.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, rmSync } from "node:fs";
import type { Event } from "../../src/model/event.ts";
import { Rejected } from "../../src/model/failure.ts";
import { foldBrought } from "../../src/model/fold.ts";
import { endEventId } from "../../src/model/id.ts";
import { lostEnd } from "../../src/model/event.ts";
import { NOT_YOURS, type Provenance, SPOOL } from "../../src/model/reporter.ts";
import { type SessionRow, settle } from "../../src/model/session.ts";
import type { KeptStore, Rejection } from "../../src/model/store.ts";
import { MIGRATIONS } from "../../src/store/duckdb/schema.ts";
import { verify } from "../../src/store/duckdb/verify.ts";
import { columnsOf, query } from "../support/database.ts";
import {
  ID,
  annotation,
  at,
  command,
  end,
  processOf,
  randomLife,
  start,
} from "../support/events.ts";
import { Random } from "../support/random.ts";
import { type KeptPlace, STORES } from "../support/stores.ts";
import { id } from "./expected.ts";

const by = (subject: string, more: Partial<Provenance> = {}): Provenance => ({
  ...{ via: "tcp", uid: null, subject, address: "192.0.2.7" },
  reporter: `token:${subject}`,
  ...more,
});
const web = by("web01");
const stranger = by("stranger");
const admin = by("root", { acts_for_all: true });

describe.each(STORES)("$kind:", ({ kind, place: makePlace }) => {
  let place: KeptPlace;
  let store: KeptStore;
  let rejections: Rejection[];
  /** How far the clock is moved. */
  let ahead_ms = 0;
  const open = async () => {
    store = await place.open({
      onRejected: (rejection) => rejections.push(rejection),
      now: () => Date.now() + ahead_ms,
    });
  };

  beforeEach(async () => {
    place = await makePlace();
    rejections = [];
    ahead_ms = 0;
    await open();
  });
  afterEach(async () => {
    await store.close();
    await place[Symbol.asyncDispose]();
  });

  /**
   * Looks at leases, second by second, until it is so: a look that a busy machine makes
   * too late has them begin anew.
   */
  async function listenUntil(
    so: () => Promise<boolean>,
    from_ms: number,
  ): Promise<void> {
    for (let ms = 0; ms <= 600_000 && !(await so()); ms += 1_000)
      await store.expireLeases(from_ms + ms, 1e9);
  }

  const statusOf = async (session_id: string) =>
    (await store.get(session_id))!.status;

  /** What is rejected of some events, by what is said against each. */
  async function rejected(
    events: Event[],
    from?: Provenance,
  ): Promise<Map<string, string>> {
    try {
      await store.append(events, from);
      return new Map();
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      return new Map(error.reasons);
    }
  }

  async function rows(): Promise<SessionRow[]> {
    const sessions = await Array.fromAsync(store.list({}));
    return sessions.map(({ status: _, duration_seconds: __, ...row }) => row);
  }

  /** Folds every session anew, as after a crash that lost all rows of this run. */
  async function foldAnew(file: string): Promise<void> {
    await store.close();
    await query(file, "UPDATE folded SET seq = 0");
    await open();
  }

  /** The sessions are what their events come to, in the order of their arrival. */
  async function expectFolded(): Promise<void> {
    const seen = await rows();
    const of = Map.groupBy(
      await Array.fromAsync(store.events({})),
      ({ event }) => event.session_id,
    );
    const wanted = [...of].flatMap(([session_id, stored]) => {
      const brought = stored.map(({ event, provenance }) => ({
        ...{ event, from: provenance },
      }));
      return settle(foldBrought(session_id, brought)) ?? [];
    });
    const plain = (all: SessionRow[]) =>
      all
        .map((row) => JSON.parse(JSON.stringify(row)) as SessionRow)
        .sort((a, b) => (a.session_id < b.session_id ? -1 : 1));
    expect(plain(seen)).toEqual(plain(wanted));
    const { file } = place;
    if (file === null) return;
    await foldAnew(file);
    expect(plain(await rows())).toEqual(plain(seen));
    await store.idle();
    const copy = `${file}.copy`;
    await store.close();
    cpSync(file, copy);
    expect((await verify(copy, copy, { hint: "" })).compared).toBe(seen.length);
    await open();
  }

  const life = (session_id = ID): Event[] => [
    start({ session_id }),
    processOf(1, { session_id }),
    command(2, { session_id }),
  ];

  describe("a session of another", () => {
    for (const [whose, from] of [
      ["this host's spool", undefined],
      ["another token's", web],
    ] as const)
      for (const state of ["open", "closed", "lost", "let go by memory"])
        test(`${whose}, ${state}: no event of its life is taken from a stranger`, async () => {
          await store.append(life(), from);
          if (state === "closed") await store.append([end(9)], from);
          if (state === "lost") await store.append([lostEnd(ID, at(2))], from);
          await store.idle();
          if (state === "let go by memory") {
            await store.close();
            await open();
          }
          const before = await rows();
          const events: Event[] = [
            start({
              timestamp: "2020-01-01T00:00:00.000Z",
              user: { username: "mallory", home: "/" },
            }),
            processOf(3, { pid: 666 }),
            command(4),
            end(5, { event_id: endEventId(ID), exit_code: 1 }),
            end(6, { end_source: "declared" }),
            lostEnd(ID, at(7)),
            { ...command(8), event_type: "moon_phase" },
          ];
          const said = await rejected(events, stranger);
          expect([...said]).toEqual(
            events.map(({ event_id }) => [event_id, NOT_YOURS]),
          );
          expect(rejections).toEqual([
            {
              ...{ session_id: ID, reporter: "token:stranger" },
              ...{ reason: NOT_YOURS, events: events.length },
            },
          ]);
          expect(await rows()).toEqual(before);
          // And the true end comes through.
          const last = end(10, { event_id: endEventId(ID), exit_code: 3 });
          await store.append([last], from);
          expect(await store.get(ID)).toMatchObject({
            exit_code: state === "closed" ? 0 : 3,
            end_source: "observed",
          });
          await expectFolded();
        });

    test("of what is stored already a stranger hears no more than of what is not", async () => {
      const events = life();
      await store.append(events, web);
      await store.close();
      await open();
      for (const again of [events, life()])
        expect([...(await rejected(again, stranger)).values()]).toEqual(
          again.map(() => NOT_YOURS),
        );
      expect(await rejected(events, web)).toEqual(new Map());
    });

    test("shows no sign of life by a stranger's, and one by its reporter's", async () => {
      const other = id(7);
      await store.append([start({ lease_seconds: 120 })], web);
      await store.append([start({ session_id: other })]);
      for (const memory of ["in memory", "let go"]) {
        const signs = new Map(
          [ID, other, id(99)].map((name) => [name, at(60)]),
        );
        expect([memory, await store.seen(signs, stranger)]).toEqual([
          memory,
          new Set([ID, other]),
        ]);
        for (const name of [ID, other])
          expect((await store.get(name))!.last_seen).toBe(at(0));
        await store.close();
        await open();
      }
      expect(await store.seen(new Map([[ID, at(50)]]), web)).toEqual(new Set());
      expect((await store.get(ID))!.last_seen).toBe(at(50));
      // Told ahead of its start, a sign is nobody's.
      await store.append([start({ session_id: id(99) })]);
      expect((await store.get(id(99)))!.last_seen).toBe(at(0));
    });
  });

  test("of two that race with a start for one id one has it, and the other nothing", async () => {
    const [one, two] = [start({ name: "one" }), start({ name: "two" })];
    const [first, second] = await Promise.all([
      rejected([one, command(1)], web),
      rejected([two, command(2)], stranger),
    ]);
    expect([first.size, second.size]).toEqual([0, 2]);
    expect(await store.get(ID)).toMatchObject({
      ...{ name: "one", reporter: "token:web01", command_count: 1 },
    });
    await expectFolded();
  });

  test("a batch with both is stored but for the other's", async () => {
    await store.append(life(id(1)), web);
    const mine = life(id(2));
    const theirs = command(4, { session_id: id(1) });
    const said = await rejected([mine[0]!, theirs, ...mine.slice(1)], stranger);
    expect([...said.keys()]).toEqual([theirs.event_id]);
    expect(await store.get(id(2))).toMatchObject({ command_count: 1 });
    await expectFolded();
  });

  describe("who may act for all", () => {
    test("reports of any session, and does not become its reporter", async () => {
      await store.append(life(), web);
      await store.append(
        [
          start({ timestamp: at(-5), user: { username: "root", home: "/" } }),
          annotation(3, { metadata: { ticket: 7 } }),
          end(6, { exit_code: 0 }),
        ],
        admin,
      );
      expect(await store.get(ID)).toMatchObject({
        ...{ reporter: "token:web01", username: "les", start_time: at(0) },
        ...{ end_source: "declared", end_time: at(6) },
        metadata: { ticket: 7 },
      });
      // Who saw it end knows better.
      await store.append([end(8, { exit_code: 4 })], web);
      expect(await store.get(ID)).toMatchObject({
        ...{ end_source: "observed", end_time: at(8), exit_code: 4 },
      });
      await expectFolded();
    });

    for (const memory of ["in memory", "let go"])
      test(`does not become it by what comes before its start, ${memory}`, async () => {
        await store.append([command(3), end(6, { exit_code: 0 })], admin);
        if (memory === "let go") {
          await store.close();
          await open();
        }
        await store.append([start(), end(8, { exit_code: 4 })], web);
        expect(await store.get(ID)).toMatchObject({
          ...{ reporter: "token:web01", end_source: "observed", exit_code: 4 },
        });
        // And where the start is his after all, so is what came before.
        const session_id = id(5);
        await store.append([end(6, { session_id, exit_code: 9 })], admin);
        await store.append([start({ session_id })], admin);
        expect(await store.get(session_id)).toMatchObject({
          ...{ reporter: "token:root", end_source: "observed", exit_code: 9 },
        });
        await expectFolded();
      });

    test("is the reporter of what he begins himself", async () => {
      await store.append(life(), admin);
      expect((await rejected([command(3)], web)).size).toBe(1);
      expect((await store.get(ID))!.reporter).toBe("token:root");
      await expectFolded();
    });
  });

  describe("what the spool says outranks the wire", () => {
    test("a session that a stranger began by a guessed id becomes the spool's", async () => {
      await store.append(
        [
          start({ timestamp: at(-100), user: { username: "eve", home: "/" } }),
          annotation(1, { metadata: { colour: "red" } }),
          command(1),
          end(2, { exit_code: 9 }),
        ],
        stranger,
      );
      await store.append([command(2)], admin);
      expect((await store.get(ID))!.username).toBe("eve");
      await store.idle();
      const own = life();
      await store.append(own);
      const session = (await store.get(ID))!;
      expect(session).toMatchObject({
        ...{ username: "les", start_time: at(0), status: "active" },
        ...{ reporter: "spool", attested: "spool", command_count: 2 },
      });
      expect("colour" in session.metadata).toBeFalse();
      expect((await rejected([end(7)], stranger)).size).toBe(1);
      const kept = await Array.fromAsync(store.events({}));
      expect(kept.map(({ provenance }) => provenance!.reporter)).toEqual([
        ...Array.from({ length: 4 }, () => "token:stranger"),
        ...["token:root", "spool", "spool", "spool"],
      ]);
      await expectFolded();
    });

    test("and the stranger's signs of life go with his events", async () => {
      await store.append([start({ lease_seconds: 120 })], stranger);
      await store.seen(new Map([[ID, at(900)]]), stranger);
      expect((await store.get(ID))!.last_seen).toBe(at(900));
      await store.append(life());
      expect((await store.get(ID))!.last_seen).toBe(at(2));
    });

    test("also by a batch that holds the stranger's, and by any event of its life", async () => {
      const [mine, theirs] = [life(), start({ name: "theirs" })];
      await Promise.all([
        rejected([theirs, command(1)], stranger),
        store.append([mine[2]!]),
        rejected([command(3)], stranger),
        store.append([mine[0]!]),
      ]);
      expect(await store.get(ID)).toMatchObject({
        ...{ name: null, reporter: "spool", command_count: 1 },
      });
      await expectFolded();
    });

    test("also where the wire brought the very same events, as to this host's own server", async () => {
      const own = life();
      await store.append(own.slice(0, 2), web);
      await store.idle();
      // The file is read again as a whole: some of it is stored.
      expect((await store.append(own)).size).toBe(3);
      expect(await store.get(ID)).toMatchObject({
        ...{ reporter: "spool", attested: "spool", pid: 101, command_count: 1 },
      });
      expect((await store.append(own)).size).toBe(0);
      await expectFolded();
    });

    test("also when its own lines come in portions", async () => {
      const own = life();
      await store.append(own.slice(0, 2), web);
      await store.append([own[2]!]);
      await store.append(own.slice(0, 2));
      expect(await store.get(ID)).toMatchObject({
        ...{ reporter: "spool", pid: 101, start_time: at(0) },
      });
      await expectFolded();
    });

    test("but not by a remark alone", async () => {
      await store.append(life(), web);
      await store.append([annotation(4, { metadata: { note: "x" } })]);
      const session = (await store.get(ID))!;
      expect(session.reporter).toBe("token:web01");
      expect("note" in session.metadata).toBeFalse();
      await expectFolded();
    });
  });

  describe("remarks", () => {
    const note = (seconds: number, metadata: Record<string, string>) =>
      annotation(seconds, { metadata });

    test("of a stranger are kept, beside the session, and none of them is a sign of life", async () => {
      await store.append(life(), web);
      await store.append([lostEnd(ID, at(2))], web);
      const forged = note(500, {
        version: "9",
        exit_code: "1",
        reporter: "me",
      });
      expect((await store.append([forged], stranger)).size).toBe(1);
      await store.append([note(600, { mine: "yes" })], web);
      const session = (await store.get(ID))!;
      expect(session).toMatchObject({
        ...{ status: "lost", last_seen: at(2), reporter: "token:web01" },
        metadata: { mine: "yes", version: null, exit_code: null },
      });
      expect("reporter" in session.metadata).toBeFalse();
      const kept = await Array.fromAsync(
        store.events({ kinds: ["annotation"] }),
      );
      expect(kept.map(({ provenance }) => provenance!.reporter)).toEqual([
        "token:stranger",
        "token:web01",
      ]);
      await expectFolded();
    });

    test("of a stranger keep no lease, and its reporter's events do", async () => {
      const begun_ms = Date.now();
      // The other one is left alone by strangers, and is lost when both are.
      const both = [ID, id(2)].map((session_id) =>
        start({ session_id, lease_seconds: 60 }),
      );
      await store.append(both, web);
      for (let ms = 0; ms <= 59_000; ms += 1_000)
        await store.expireLeases(begun_ms + ms, 1e9);
      expect(await statusOf(ID)).toBe("active");
      ahead_ms = 59_000;
      await store.append([note(50, { a: "1" })], stranger);
      const isOver = async () => (await statusOf(id(2))) === "lost";
      await listenUntil(isOver, begun_ms + 60_000);
      expect([await statusOf(ID), await isOver()]).toEqual(["lost", true]);
      await expectFolded();
    });

    test("before a start make nobody the reporter, and merge where they are its own", async () => {
      await store.append([note(1, { a: "stranger" })], stranger);
      await store.append([note(2, { b: "web" })], web);
      await store.append([start()], web);
      const session = (await store.get(ID))!;
      expect(session).toMatchObject({
        ...{ reporter: "token:web01", metadata: { b: "web" } },
      });
      expect("a" in session.metadata).toBeFalse();
      await expectFolded();
    });
  });

  describe("an event under an id that anybody can make", () => {
    test("does not keep the end of another's session away", async () => {
      await store.append(life(), web);
      const ours = endEventId(ID);
      await store.append(
        [start({ session_id: id(2), event_id: ours })],
        stranger,
      );
      await store.append([end(5, { event_id: ours, exit_code: 2 })], web);
      expect(await store.get(ID)).toMatchObject({
        status: "ended",
        exit_code: 2,
      });
      await store.append([end(6, { event_id: ours, exit_code: 3 })], web);
      expect(await store.get(ID)).toMatchObject({ end_time: at(5) });
      expect((await Array.fromAsync(store.events({}))).length).toBe(5);
      await expectFolded();
    });

    for (const memory of ["in memory", "let go"])
      for (const [what, squat] of [
        ["a session of his own", annotation(3, { session_id: id(2) })],
        ["the session itself, a remark", annotation(3)],
        ["a time of long ago", annotation(-900, { session_id: id(2) })],
      ] as const)
        test(`nor what makes a lost session so, after his own about it: ${what}, ${memory}`, async () => {
          const restart = async () => {
            if (memory === "in memory") return;
            await store.close();
            await open();
          };
          const lost = lostEnd(ID, at(2));
          const real = end(5, { event_id: endEventId(ID), exit_code: 3 });
          await store.append(life());
          for (const { event_id } of [lost, real])
            await rejected([{ ...squat, event_id } as Event], stranger);
          await restart();
          expect((await store.append([lost])).size).toBe(1);
          expect((await store.get(ID))!.status).toBe("lost");
          await restart();
          // It is the same event still.
          expect((await store.append([lost])).size).toBe(0);
          await store.append([real], admin);
          expect(await store.get(ID)).toMatchObject({
            ...{ status: "ended", exit_code: 3, reporter: "spool" },
          });
          await restart();
          expect((await store.append([real], admin)).size).toBe(0);
          await expectFolded();
        });

    test("also where the store itself finds a session of the wire gone", async () => {
      await store.append([start({ lease_seconds: 60 })], web);
      const { event_id } = lostEnd(ID, at(0));
      await store.append([annotation(3, { event_id })], stranger);
      await store.close();
      await open();
      const later_ms = Date.now() + 3_600_000;
      await store.expireLeases(later_ms, 1e9);
      expect(await store.expireLeases(later_ms + 61_000, 1e9)).toBe(0);
      const isLost = async () => (await statusOf(ID)) === "lost";
      await listenUntil(isLost, later_ms + 62_000);
      expect(await isLost()).toBeTrue();
      await expectFolded();
    });

    for (const memory of ["in memory", "let go"])
      for (const whose of [ID, id(2)])
        test(`nor any event of the spool's, all forged for ${whose === ID ? "its own" : "another"} session, ${memory}`, async () => {
          const own = [...life(), end(9, { exit_code: 3 })];
          const forged = own.map((event) => ({ ...event, session_id: whose }));
          (forged[3] as { exit_code: number }).exit_code = 0;
          await store.append(forged, stranger);
          if (memory === "let go") {
            await store.close();
            await open();
          }
          expect((await store.append(own)).size).toBe(own.length);
          expect(await store.get(ID)).toMatchObject({
            ...{ reporter: "spool", attested: "spool", exit_code: 3 },
            ...{ command_count: 1, pid: 101 },
          });
          expect((await store.append(own)).size).toBe(0);
          await expectFolded();
        });

    test("nor is the owner's own, sent again, taken for new beside it", async () => {
      const own = life();
      await store.append(own, web);
      const squats = own.map(({ event_id }) =>
        annotation(700, { event_id, session_id: id(2) }),
      );
      await store.append(squats, stranger);
      expect((await store.append(own, web)).size).toBe(0);
      expect((await store.append(squats, stranger)).size).toBe(0);
      // And no remark takes an event's place.
      const over = own.map(({ event_id }) => annotation(1, { event_id }));
      expect((await store.append(over, stranger)).size).toBe(0);
      expect((await store.get(ID))!.command_count).toBe(1);
      await expectFolded();
    });

    test("nor its being found lost", async () => {
      await store.append(life());
      const { event_id } = lostEnd(ID, at(2));
      await store.append([start({ session_id: id(2), event_id })], stranger);
      await store.append([lostEnd(ID, at(2))]);
      expect((await store.get(ID))!.status).toBe("lost");
      await expectFolded();
    });
  });

  test("tokens without a subject are one reporter", async () => {
    const nobody = by("", { subject: null });
    await store.append(life(), nobody);
    expect((await rejected([end(4)], stranger)).size).toBe(1);
    await store.append([end(5)], { ...nobody, address: "192.0.2.9" });
    expect(await store.get(ID)).toMatchObject({
      ...{ reporter: "token:", status: "ended" },
    });
  });

  test("a subject may spell what it likes: it is a token's", async () => {
    for (const [n, text] of ["spool", "uid:0", "", "token:web01"].entries()) {
      const session_id = id(n);
      await store.append([start({ session_id })], by(text));
      expect((await store.get(session_id))!.reporter).toBe(`token:${text}`);
      const others = [by(`${text}x`), web].filter(
        ({ reporter }) => reporter !== `token:${text}`,
      );
      for (const other of others)
        expect((await rejected([end(3, { session_id })], other)).size).toBe(1);
    }
    const asSpool = Array.fromAsync(store.list({ reporter: "spool" }));
    expect(await asSpool).toEqual([]);
    await store.append([start({ session_id: id(9) })]);
    expect(
      (await rejected([end(3, { session_id: id(9) })], by("spool"))).size,
    ).toBe(1);
  });

  test("sessions are the fold of their events, whoever brought which of them when", async () => {
    const random = Random.seeded("reporters");
    const whose: (Provenance | undefined)[] = [
      ...[undefined, web, stranger, admin, by("", { subject: null })],
      // As an older version kept it.
      { via: "tcp", uid: 1_000, subject: null, address: "::1" },
      { via: "tcp", uid: null, subject: "web01", address: "::1" },
    ];
    for (let round = 0; round < 12; round++) {
      const events = Array.from({ length: 12 }, (_, n) =>
        randomLife(random, id(100 * round + n)),
      ).flat();
      const again = events.filter(() => random.chance(0.2));
      for (const batch of random.batches(
        random.shuffled([...events, ...again]),
      )) {
        await rejected(batch, random.pick(whose));
        if (random.chance(0.1)) await store.idle();
        if (random.chance(0.1)) await rows();
      }
    }
    await expectFolded();
  });

  // Of other places there is no older version.
  if (kind === "DuckDB")
    test("of an older database it is told whose sessions are, as far as it kept that", async () => {
      const old = (changes: Partial<Provenance>): Provenance => ({
        ...{ via: "tcp", uid: null, subject: null, address: null, ...changes },
      });
      const wanted: [Provenance, string | null][] = [
        [old({ via: "spool" }), "spool"],
        [old({ subject: "spool" }), "token:spool"],
        [old({ via: "socket", uid: 7 }), "uid:7"],
        [old({ uid: 7 }), null],
      ];
      await store.append(life(), wanted[0]![0]);
      for (const [n, [from]] of wanted.entries()) {
        const session_id = id(n);
        await store.append([annotation(0, { session_id })], web);
        await store.append(life(session_id), from);
        // What it let through then stays.
        await store.append(
          [
            start({ session_id, timestamp: at(-9) }),
            annotation(7, { session_id }),
          ],
          old({ uid: 8 }),
        );
        if (n % 2) await store.append([end(8, { session_id })], from);
        if (n === 2)
          await store.append([command(9, { session_id })], wanted[0]![0]);
      }
      const before = await rows();
      await store.close();
      const file = place.file!;
      rmSync(`${file}.old`, { force: true });
      const columns = columnsOf(3);
      const forgotten = JSON.stringify({
        ...{ reporter: null, annotated_by: null, outranked: null },
        start: { value: { attested: null } },
      });
      await query(
        `${file}.old`,
        `${MIGRATIONS.slice(0, 3).join(";")};
    INSERT INTO schema_version VALUES (3, now()::TIMESTAMP);
    ATTACH '${file}' AS today;
    INSERT INTO events BY NAME FROM today.events
      WHERE kind <> 'annotation' OR NOT contains(provenance, 'web01');
    INSERT INTO sessions BY NAME SELECT ${columns} FROM today.sessions;
    INSERT INTO open_sessions BY NAME SELECT ${columns}
      REPLACE (json_merge_patch(state, '${forgotten}') AS state)
      FROM today.open_sessions;
    UPDATE folded SET seq = (SELECT max(seq) FROM events)`,
      );
      rmSync(file);
      cpSync(`${file}.old`, file);
      await open();
      expect(await rows()).toEqual(before);
      expect(await store.get(ID)).toMatchObject({ attested: "spool" });
      for (const [n, [, reporter]] of wanted.entries())
        expect(await store.get(id(n))).toMatchObject({
          ...{ reporter: n === 2 ? "spool" : reporter, attested: "claimed" },
          start_time: at(-9),
        });
      // Each can be ended by whose it is, and what nobody knew and has ended by him
      // alone who acts for all.
      for (const [n, from] of [SPOOL, by("spool"), SPOOL, admin].entries()) {
        const session_id = id(n);
        const late = command(10, { session_id });
        expect((await rejected([late], stranger)).size).toBe(1);
        await store.append([late, end(11, { session_id })], from);
        expect(await store.get(session_id)).toMatchObject({
          status: "ended",
          reporter: n < 3 ? from.reporter : null,
        });
      }
      await expectFolded();
    });

  describe("times that the wire tells", () => {
    const DAY_MS = 86_400_000;
    const now = () => Date.now();
    const iso = (ms: number) => new Date(ms).toISOString();

    test("a start of more than a day ago says so, and one of today does not", async () => {
      for (const [n, ago_ms, skewed] of [
        [1, 8 * DAY_MS, true],
        [2, DAY_MS - 60_000, undefined],
      ] as const) {
        const session_id = id(n);
        const timestamp = iso(now() - ago_ms);
        await store.append([start({ session_id, timestamp })], web);
        const { metadata, start_time } = (await store.get(session_id))!;
        expect([metadata["clock_skew"], start_time]).toEqual([
          skewed,
          timestamp,
        ]);
      }
      const session_id = id(3);
      await store.append([start({ session_id })]);
      expect((await store.get(session_id))!.metadata).not.toContainKey(
        "clock_skew",
      );
      await expectFolded();
    });

    test("signs of life that are still to come are of when they came", async () => {
      const far = "2099-01-01T00:00:00.000Z";
      for (const [n, sign] of [
        command(0, { timestamp: far }),
        processOf(0, { timestamp: far }),
        start({ timestamp: far }),
      ].entries()) {
        const session_id = id(n);
        const timestamp = iso(now() - 1_000);
        const begun = start({ session_id, timestamp, lease_seconds: 60 });
        await store.append([begun, { ...sign, session_id } as Event], web);
        const { last_seen, metadata } = (await store.get(session_id))!;
        expect([n, Date.parse(last_seen) <= now()]).toEqual([n, true]);
        if (n < 2) expect([n, metadata["clock_skew"]]).toEqual([n, true]);
      }
      const areLost = async () => {
        const active = store.list({ status: "active" });
        return (await Array.fromAsync(active)).length === 0;
      };
      await listenUntil(areLost, Date.now() + 3_600_000);
      for (const { status, end_time } of await Array.fromAsync(
        store.list({}),
      )) {
        expect(status).toBe("lost");
        expect(Date.parse(end_time!)).toBeLessThanOrEqual(now());
      }
      await expectFolded();
    });

    test("an end that is still to come is no later than its receipt, also sent again", async () => {
      const begun = start({ timestamp: iso(now() - 1_000) });
      const future = end(0, { timestamp: iso(now() + DAY_MS) });
      await store.append([begun, future], web);
      const { end_time, metadata } = (await store.get(ID))!;
      expect(Date.parse(end_time!)).toBeLessThanOrEqual(now());
      expect(metadata["clock_skew"]).toBe(true);
      await store.close();
      await open();
      expect((await store.append([begun, future], web)).size).toBe(0);
      expect((await store.get(ID))!.end_time).toBe(end_time);
      await expectFolded();
    });
  });

  test("what nobody kept who began it, and has ended, is not the next one's", async () => {
    const nobody: Provenance = {
      ...{ via: "tcp", uid: 7, subject: null, address: null },
    };
    for (const n of [1, 2])
      await store.append(
        [start({ session_id: id(n), metadata: { own: "A" } })],
        nobody,
      );
    await store.append([end(9, { session_id: id(1), exit_code: 3 })], nobody);
    for (const memory of ["in memory", "let go"]) {
      const before = await store.get(id(1));
      const said = await rejected(
        [
          annotation(4, { session_id: id(1), metadata: { own: "B" } }),
          end(1, { session_id: id(1), exit_code: 0 }),
          start({ session_id: id(1), timestamp: at(-9) }),
        ],
        stranger,
      );
      expect([memory, said.size]).toEqual([memory, 2]);
      expect(await store.get(id(1))).toEqual(before);
      await store.close();
      await open();
    }
    await expectFolded();
    // What lives on is gone on with by the next, and his remarks are its own then.
    const session_id = id(2);
    await store.append(
      [annotation(4, { session_id, metadata: { n: 1 } })],
      web,
    );
    await store.append([command(5, { session_id })], web);
    expect(await store.get(session_id)).toMatchObject({
      ...{ reporter: "token:web01", metadata: { own: "A", n: 1 } },
    });
    await expectFolded();
  });

  test("SPOOL is whose events come without a word of who brought them", async () => {
    await store.append([start()]);
    const [kept] = await Array.fromAsync(store.events({}));
    expect(kept!.provenance).toEqual(SPOOL);
  });
});
