/** Texts that are removed from PostgreSQL are in no row of any table, and do not come back. */
import { SQL } from "bun";
import { expect, test } from "bun:test";
import { compare } from "../../src/access/compare.ts";
import { SILENT } from "../../src/model/progress.ts";
import { ID, annotation, command, end, start } from "../support/events.ts";
import { openPostgres, sharedDatabase } from "../support/stores.ts";
import { needsPostgres } from "../crash/postgres/node.ts";

const secret = (n: number) => ["un", "forget", "table", n].join("");
const EVENTS = [
  start({ reason: secret(1), name: secret(2), metadata: { key: secret(3) } }),
  annotation(1, { note: secret(4), metadata: { note: secret(4) } }),
  command(2, { seq: 1, pid: 9, text: secret(5) }),
  command(3, { seq: 2, pid: 9, text: secret(6) }),
  end(4, { metadata: { last: secret(7) } }),
];

test.each([true, false])(
  "no row of PostgreSQL has what was removed, with locks: %p",
  async (locks) => {
    if (!needsPostgres()) return;
    await using database = await sharedDatabase();
    await using sql = new SQL(database.url, { max: 1 });
    const store = await openPostgres(database, { locks });
    /** Whether a text is in any row. */
    const stored = async (text: string) => {
      const tables = await sql`SELECT relname::text AS name FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`;
      for (const { name } of tables) {
        const rows = await sql.unsafe(
          `SELECT 1 FROM ${name} AS t WHERE strpos(t::text, $1) > 0`,
          [text],
        );
        if (rows.length > 0) return true;
      }
      return false;
    };
    const said: string[] = [];
    const keeper = store.maintenance({
      ...{ spooled: () => [], requireNotOwn: () => {}, alone: false },
      warn: (reason) => void said.push(reason),
    });
    try {
      await store.append(EVENTS);
      for (let n = 1; n <= 7; n++) expect(await stored(secret(n))).toBe(true);
      const request = { session_id: ID, user: "les" };
      const { event_id } = EVENTS[2]!;
      const first = await keeper.removeTexts({
        ...request,
        event_ids: [event_id],
      });
      expect(first).toEqual({ events: 1, up_to: null });
      expect(await stored(secret(5))).toBe(false);
      expect(await stored(secret(6))).toBe(true);
      const all = { ...request, event_ids: null };
      expect((await keeper.removeTexts(all))!.events).toBe(4);
      for (let n = 1; n <= 7; n++) expect(await stored(secret(n))).toBe(false);
      expect(said[0]).toContain("VACUUM FULL");

      // Sent again, and a line of then that comes late.
      await store.append([...EVENTS, command(3, { seq: 3, text: secret(9) })]);
      expect(await stored(secret(9))).toBe(false);
      expect((await keeper.removeTexts(all))!.events).toBe(0);
      expect(await store.get(ID)).toMatchObject({
        ...{ name: null, reason: null, last_command: null, command_count: 3 },
        ...{ status: "ended", metadata: {} },
      });
      const commands = await Array.fromAsync(store.commands({}));
      expect(commands.map(({ text, mark }) => [text, mark])).toEqual(
        Array(3).fill([null, "removed"]),
      );
      const contents = store.contents();
      expect(await compare(contents, contents, SILENT)).toMatchObject({
        odd: 0,
      });
      expect(await keeper.removeTexts({ ...all, session_id: `${ID}ff` })).toBe(
        null,
      );
    } finally {
      await store.close();
    }
  },
);
