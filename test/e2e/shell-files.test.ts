/**
 * Files that shells within a session write (`ID.<pid>.ndjson`): they belong to
 * the session, are never one by themselves, and never end it while it lives.
 */
import { describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import { drain } from "../../src/spool/drain.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { command, recovered } from "../support/events.ts";
import { configure } from "../support/host.ts";
import { Live } from "../support/live.ts";
import { Place, SETTINGS } from "../support/place.ts";
import { Sandbox } from "../support/sandbox.ts";
import { id, leave, life, lines, named } from "../support/spool.ts";

const HOUR_MS = 3_600_000;
const at = (ms: number) => new Date(ms).toISOString();

/** A command that a shell of the session ran at a moment. */
const ran = (session_id: string, at_ms: number): Event =>
  command(0, { session_id, timestamp: at(at_ms) });

const ends = async (place: Place) =>
  (await place.stored()).filter((event) => event.kind === "session_end").length;

describe.each(SETTINGS)(
  "what a shell within a session writes, %s",
  (setting) => {
    test("counts for the session, and ends nothing while that is under way", async () => {
      await using place = await Place.begin(setting);
      const { sandbox } = place;
      await using live = await Live.begin(sandbox);
      // Of a shell that is gone, and of one that is not.
      for (const pid of [4_194_000, live.child])
        leave(
          sandbox,
          `${live.session_id}.${pid}.ndjson`,
          lines([ran(live.session_id, Date.now())]),
        );
      for (const _ of ["first", "again"])
        expect(await sandbox.only()).toMatchObject({
          session_id: live.session_id,
          status: "active",
          command_count: 2,
        });
      await live.end(3);
      expect(await sandbox.only()).toMatchObject({
        status: "ended",
        exit_code: 3,
        command_count: 2,
      });
      expect(await ends(place)).toBe(1);
      // They leave with their session.
      expect(named(sandbox.spool).filter((n) => n.endsWith(".ndjson"))).toEqual(
        [],
      );
    });

    test("does not end it while the wrapper is gone and the program is not", async () => {
      await using place = await Place.begin(setting);
      const { sandbox } = place;
      await using live = await Live.begin(sandbox);
      // Later than all else that tells of it, on a slow machine too.
      const later_ms = Date.now() + HOUR_MS;
      const file = leave(
        sandbox,
        `${live.session_id}.4194000.ndjson`,
        lines([ran(live.session_id, later_ms)]),
      );
      await live.killWrapper();
      expect((await sandbox.only()).status).toBe("active");
      expect(await ends(place)).toBe(0);
      expect(existsSync(file)).toBeTrue();
      await live.endChild();
      // Its last command is the last sign of life, too.
      expect(await sandbox.only()).toMatchObject({
        status: "lost",
        end_time: at(later_ms),
        command_count: 1,
      });
      expect(await ends(place)).toBe(1);
    });

    test("ends a session whose own file was taken away only until that is back", async () => {
      await using place = await Place.begin(setting);
      const { sandbox } = place;
      // No heartbeat makes the file again while it is away.
      configure(sandbox, "session: {heartbeat: 1h}\n");
      await using live = await Live.begin(sandbox);
      await live.quiet();
      const { spool } = sandbox;
      expect((await sandbox.only()).status).toBe("active");
      const away = join(sandbox.home, "away");
      renameSync(spool, away);
      leave(
        sandbox,
        `${live.session_id}.4194000.ndjson`,
        lines([ran(live.session_id, Date.now())]),
      );
      expect((await sandbox.only()).status).toBe("lost");
      rmSync(spool, { recursive: true });
      renameSync(away, spool);
      expect((await sandbox.only()).status).toBe("active");
      await live.end(3);
      expect(await sandbox.only()).toMatchObject({
        ...{ status: "ended", exit_code: 3, command_count: 1 },
      });
    });

    test("does not leave a lost session open when it comes late", async () => {
      await using place = await Place.begin(setting);
      const { sandbox } = place;
      const now = Date.now();
      leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
      await place.drain();
      expect((await sandbox.only()).status).toBe("lost");
      leave(
        sandbox,
        `${id(1)}.4194000.ndjson`,
        lines([ran(id(1), now + HOUR_MS)]),
      );
      await place.drain();
      expect(await sandbox.only()).toMatchObject({
        status: "lost",
        end_time: at(now + HOUR_MS),
        command_count: 1,
      });
      // Nor when it comes when the file is done already.
      const done = join(sandbox.spool, "done", `${id(1)}.4194000.ndjson`);
      appendFileSync(done, lines([ran(id(1), now + 2 * HOUR_MS)]));
      await place.drain(3 * HOUR_MS);
      expect(await sandbox.only()).toMatchObject({
        status: "lost",
        end_time: at(now + 2 * HOUR_MS),
        command_count: 2,
      });
      expect(named(join(sandbox.spool, "done"))).toEqual([]);
    });

    test.each([
      ["with nobody's end in it", () => lines(life(1))],
      [
        "with an end that was found before",
        (now: number) =>
          lines([
            ...life(1),
            recovered(0, { timestamp: at(now), session_id: id(1) }),
          ]),
      ],
    ])(
      "brought away before the session's own file, %s, leaves it lost",
      async (_, own) => {
        await using place = await Place.begin(setting);
        const { sandbox } = place;
        const now = Date.now();
        // The session's file is elsewhere, as when the spool is moved.
        leave(
          sandbox,
          `${id(1)}.4194000.ndjson`,
          lines([ran(id(1), now + HOUR_MS)]),
        );
        await place.drain();
        leave(sandbox, `${id(1)}.ndjson`, own(now));
        await place.drain();
        expect(await sandbox.only()).toMatchObject({
          status: "lost",
          end_time: at(now + HOUR_MS),
          command_count: 1,
        });
      },
    );

    test("later than an end that was found and not brought away, leaves it lost", async () => {
      await using place = await Place.begin(setting);
      const { sandbox } = place;
      const now = Date.now();
      leave(
        sandbox,
        `${id(1)}.4194000.ndjson`,
        lines([ran(id(1), now + HOUR_MS)]),
      );
      leave(sandbox, `${id(1)}.ndjson`, lines(life(1, recovered(5))));
      await place.drain();
      expect(await sandbox.only()).toMatchObject({
        status: "lost",
        end_time: at(now + HOUR_MS),
        command_count: 1,
      });
    });

    test("keeps a session open as long as that shell runs on", async () => {
      await using place = await Place.begin(setting);
      const { sandbox } = place;
      await using live = await Live.begin(sandbox);
      // As if a shell in the background had outlived all else of its session.
      const { session_id } = live;
      const [start] = live.lines;
      const gone = life(1)
        .slice(1)
        .map((event) => ({ ...event, session_id }));
      await live.killWrapper();
      live.replace(`${start}\n${lines(gone)}`);
      expect((await sandbox.only()).status).toBe("lost");
      const file = leave(
        sandbox,
        `${session_id}.${live.child}.ndjson`,
        lines([ran(session_id, Date.now())]),
      );
      expect((await sandbox.only()).status).toBe("active");
      expect((await sandbox.only()).status).toBe("active");
      await live.endChild();
      expect((await sandbox.only()).status).toBe("lost");
      expect(existsSync(file)).toBeFalse();
    });

    test("does not reopen a session whose end was seen", async () => {
      await using place = await Place.begin(setting);
      const { sandbox } = place;
      await using live = await Live.begin(sandbox);
      await live.end(0);
      expect((await sandbox.only()).status).toBe("ended");
      leave(
        sandbox,
        `${live.session_id}.4194000.ndjson`,
        lines([ran(live.session_id, Date.now() + HOUR_MS)]),
      );
      expect(await sandbox.only()).toMatchObject({
        status: "ended",
        exit_code: 0,
        command_count: 1,
      });
      expect(await ends(place)).toBe(1);
    });
  },
);

test("a drain that dies before it has closed a late shell's session leaves that to the next one", async () => {
  using sandbox = new Sandbox();
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
  expect((await sandbox.only()).status).toBe("lost");
  const late = at(Date.now() + HOUR_MS);
  leave(
    sandbox,
    `${id(1)}.4194000.ndjson`,
    lines([ran(id(1), Date.parse(late))]),
  );
  const store = await DuckDBStore.open(sandbox.database);
  const dies = {
    append: store.append.bind(store),
    seen: store.seen.bind(store),
    get: () => Promise.reject(new Error("killed")),
  };
  await expect(drain(sandbox.data, dies, Date.now)).rejects.toThrow("killed");
  await store.close();
  expect(await sandbox.only()).toMatchObject({
    status: "lost",
    end_time: late,
  });
});
