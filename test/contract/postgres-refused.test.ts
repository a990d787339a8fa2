/**
 * An event that the database itself does not take, here by a rule that somebody added to a
 * table, is rejected alone: the others of its batch are stored, and their clients do not wait.
 */
import { SQL } from "bun";
import { expect, test } from "bun:test";
import { Rejected } from "../../src/model/failure.ts";
import type { Rejection } from "../../src/model/store.ts";
import { SPOOL } from "../../src/model/reporter.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { ID, annotation, end, start } from "../support/events.ts";
import { openPostgres, sharedDatabase } from "../support/stores.ts";

/** Of each class of errors that are about a value, by what a note says. */
const RULES = `
  CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF new.payload LIKE '%poison 1%' THEN
        RAISE EXCEPTION 'no poison' USING ERRCODE = '22P05';
      ELSIF new.payload LIKE '%poison 2%' THEN
        RAISE EXCEPTION 'no poison' USING ERRCODE = '54000';
      END IF;
      RETURN new;
    END $$;
  CREATE TRIGGER refuse BEFORE INSERT ON events
    FOR EACH ROW EXECUTE FUNCTION refuse();
  ALTER TABLE events ADD CHECK (payload NOT LIKE '%poison 3%')`;

const idOf = (n: number) => `web-20260206-120000-${String(n).padStart(8, "0")}`;
const life = (n: number, note: string) => {
  const session_id = idOf(n);
  const event_id = (k: number) =>
    `${String(n).padStart(8, "0")}-0000-4000-8000-00000000000${k}`;
  return [
    start({ session_id, event_id: event_id(1) }),
    annotation(1, { session_id, event_id: event_id(2), note }),
    end(2, { session_id, event_id: event_id(3) }),
  ];
};

test.skipIf(!needsPostgres())(
  "what the database does not take is rejected alone, and told of",
  async () => {
    await using database = await sharedDatabase();
    const rejections: Rejection[] = [];
    const store = await openPostgres(database, {
      onRejected: (rejection) => rejections.push(rejection),
    });
    await using sql = new SQL(database.url, { max: 1 });
    await sql.unsafe(RULES);
    const poison = new Map([
      [3, 1],
      [4, 2],
      [20, 3],
    ]);
    // All wait for one commit, each in a call of its own; one call has two of them.
    const lives = Array.from({ length: 40 }, (_, n) =>
      life(n, poison.has(n) ? `poison ${poison.get(n)}` : "well"),
    );
    const calls = [...lives.slice(0, 3), lives.slice(3, 5).flat()];
    calls.push(...lives.slice(5));
    const outcomes = await Promise.allSettled(
      calls.map((events) => store.append(events)),
    );
    for (const [i, outcome] of outcomes.entries()) {
      const events = calls[i]!;
      const bad = events.filter((event) =>
        JSON.stringify(event).includes("poison"),
      );
      if (bad.length === 0) {
        expect(outcome).toMatchObject({ status: "fulfilled" });
        continue;
      }
      const { reason } = outcome as PromiseRejectedResult;
      expect(reason).toBeInstanceOf(Rejected);
      const { reasons, stored } = reason as Rejected;
      expect([...reasons.keys()]).toEqual(bad.map(({ event_id }) => event_id));
      for (const said of reasons.values())
        expect(said).toMatch(/^the database does not take it: .*poison|check/);
      expect(stored.size).toBe(events.length - bad.length);
    }
    expect(rejections.map(({ session_id }) => session_id)).toEqual(
      [...poison.keys()].map(idOf),
    );
    expect(rejections[0]).toMatchObject({ reporter: "spool", events: 1 });
    const events = await Array.fromAsync(store.events({}));
    expect(events).toHaveLength(40 * 3 - poison.size);
    // In their order, each session with its end.
    const sessions = await Array.fromAsync(store.list({ limit: 100 }));
    expect(sessions.map(({ status }) => status)).toEqual(
      Array(40).fill("ended"),
    );
    // What is of no value fails for its cause, which other statements do not hide.
    expect(store.facts().last_commit_ok).toBe(true);
    await sql.unsafe("ALTER TABLE events RENAME TO gone");
    await expect(store.append(life(50, "well"))).rejects.toThrow(
      'relation "events" does not exist',
    );
    await sql.unsafe("ALTER TABLE gone RENAME TO events");
    await store.append(life(50, "well"));

    // A start that is not taken begins nothing.
    const begun = store.begin(
      start({ reason: "poison 1", event_id: life(60, "")[0]!.event_id }),
      [ID],
      SPOOL,
    );
    await expect(begun).rejects.toBeInstanceOf(Rejected);
    expect(rejections.at(-1)).toMatchObject({ session_id: ID, events: 1 });
    await store.close();
  },
);
