/** Queries in SQL over the views; part of the suite in store.ts. */
import { describe, expect, test } from "bun:test";
import { Failure } from "../../src/model/failure.ts";
import { sessionJson } from "../../src/model/json.ts";
import type { SessionStore } from "../../src/model/store.ts";
import { command, randomLife, start } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { id } from "./expected.ts";

/** The rows of a query as objects. */
export async function rowsOf(
  store: SessionStore,
  sql: string,
  timeout_ms = 20_000,
): Promise<Record<string, unknown>[]> {
  const { columns, rows } = await store.query({ sql, timeout_ms });
  const names = columns.map(({ name }) => name);
  const found: Record<string, unknown>[] = [];
  for await (const row of rows)
    found.push(Object.fromEntries(names.map((name, i) => [name, row[i]])));
  return found;
}

/** How a query fails. */
export async function failureOf(
  store: SessionStore,
  sql: string,
  timeout_ms = 20_000,
): Promise<Failure | null> {
  try {
    await rowsOf(store, sql, timeout_ms);
    return null;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
}

/** What users write to one database or the other. */
type Dialect = "DuckDB" | "PostgreSQL";

export function queries(store: () => SessionStore, dialect: Dialect): void {
  describe("query", () => {
    const ask = (sql: string) => rowsOf(store(), sql);

    test("the views have what the lists have", async () => {
      const random = Random.seeded("queries");
      const events = Array.from({ length: 30 }, (_, n) =>
        randomLife(random, id(n)),
      ).flat();
      const odd = "\ue000e \ue0000 \0";
      events.push(start({ session_id: id(99), metadata: { odd } }));
      await store().append(events);
      // So far, of a session that goes on; and lists fill in what metadata lacks.
      const settled = ({
        duration_seconds,
        metadata,
        ...row
      }: Record<string, unknown>) => ({
        ...row,
        ...(row["status"] !== "active" && { duration_seconds }),
        metadata: Object.fromEntries(
          Object.entries(metadata as object).filter(
            ([, value]) => value !== null,
          ),
        ),
      });
      const listed = await Array.fromAsync(store().list({}));
      const sessions = await ask(
        "SELECT * FROM sessions ORDER BY start_time DESC, session_id",
      );
      expect(sessions.map(settled)).toEqual(
        listed.map(sessionJson).map(settled),
      );
      const absent = { text_base64: null, truncated_bytes: null };
      const ran = await Array.fromAsync(store().commands({}));
      expect(ran.length).toBeGreaterThan(0);
      expect(
        await ask(
          "SELECT * FROM commands ORDER BY start_time DESC, event_seq DESC",
        ),
      ).toEqual(ran.map((row) => ({ ...absent, ...row })));
      const stored = await Array.fromAsync(store().events({}));
      expect(
        await ask(
          "SELECT seq, received_at, provenance, event FROM events ORDER BY seq",
        ),
      ).toEqual(stored.map((row) => ({ ...row })));
    });

    test("are read with all of SQL that a person needs", async () => {
      await store().append([
        start({ metadata: { version: "7" }, tags: ["a", "b"] }),
        start({ session_id: id(1), component_name: "zsh" }),
        command(1, { text: "make", exit_code: null }),
      ]);
      for (const [sql, rows] of ANSWERED[dialect])
        expect([sql, await ask(sql)]).toEqual([sql, rows]);
    });

    test("an error is one sentence that says where it is", async () => {
      for (const [sql, why] of WRONG[dialect]) {
        const failure = await failureOf(store(), sql);
        expect([sql, failure?.code]).toEqual([sql, "usage"]);
        expect(failure!.sentence).toMatch(why);
        expect(failure!.sentence).not.toContain("\n");
      }
    });
  });
}

/** Queries, with their rows. */
const ANSWERED: Record<
  Dialect,
  readonly [sql: string, rows: Record<string, unknown>[]][]
> = {
  DuckDB: [
    [
      "SELECT component, count(*) AS n FROM sessions GROUP BY ALL ORDER BY n, component",
      [
        { component: "bash", n: 1 },
        { component: "zsh", n: 1 },
      ],
    ],
    [
      "SELECT metadata->>'version' AS v, unnest(tags) AS tag FROM sessions WHERE component = 'bash' ORDER BY tag",
      [
        { v: "7", tag: "a" },
        { v: "7", tag: "b" },
      ],
    ],
    [
      "WITH sessions AS (SELECT * FROM sessions WHERE component LIKE 'z%') SELECT count(*) AS n FROM sessions",
      [{ n: 1 }],
    ],
    [
      "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 4) SELECT sum(n) AS n FROM up",
      [{ n: 10 }],
    ],
    [
      "SELECT c.text, s.component, row_number() OVER (ORDER BY c.start_time) AS n FROM commands c JOIN sessions s USING (session_id)",
      [{ text: "make", component: "bash", n: 1 }],
    ],
    [
      "SELECT date_trunc('day', start_time) AS day, start_time < now() AS past FROM sessions LIMIT 1",
      [{ day: "2026-02-06T00:00:00.000Z", past: true }],
    ],
    [
      "SELECT 9007199254740993 AS big, 1.50::DECIMAL(4, 2) AS d, 'nan'::DOUBLE AS nan, NULL AS none, [1, 2] AS l, {a: 1} AS s, INTERVAL 90 MINUTE AS i",
      [
        {
          ...{ big: "9007199254740993", d: 1.5, nan: "NaN", none: null },
          ...{ l: [1, 2], s: { a: 1 }, i: "01:30:00" },
        },
      ],
    ],
    ["SELECT 1 AS a, 2 AS a", [{ a: 1, "a:1": 2 }]],
    ["SELECT * FROM sessions WHERE false", []],
    [
      "DESCRIBE SELECT event FROM events",
      [
        {
          column_name: "event",
          column_type: "JSON",
          null: "YES",
          key: null,
          default: null,
          extra: null,
        },
      ],
    ],
  ],
  PostgreSQL: [
    [
      "SELECT component, count(*) AS n FROM sessions GROUP BY component ORDER BY n, component",
      [
        { component: "bash", n: 1 },
        { component: "zsh", n: 1 },
      ],
    ],
    [
      "SELECT metadata->>'version' AS v, unnest(tags) AS tag FROM sessions WHERE component = 'bash' ORDER BY tag;",
      [
        { v: "7", tag: "a" },
        { v: "7", tag: "b" },
      ],
    ],
    [
      "WITH sessions AS (SELECT * FROM sessions WHERE component LIKE 'z%') SELECT count(*) AS n FROM sessions",
      [{ n: 1 }],
    ],
    [
      "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 4) SELECT sum(n) AS n FROM up",
      [{ n: 10 }],
    ],
    [
      "SELECT c.text, s.component, row_number() OVER (ORDER BY c.start_time) AS n FROM commands c JOIN sessions s USING (session_id)",
      [{ text: "make", component: "bash", n: 1 }],
    ],
    [
      "SELECT date_trunc('day', start_time) AS day, start_time < now() AS past FROM sessions LIMIT 1",
      [{ day: "2026-02-06T00:00:00.000Z", past: true }],
    ],
    [
      "SELECT 9007199254740993 AS big, 1.50::numeric(4, 2) AS d, 'nan'::float8 AS nan, NULL AS none, ARRAY[1, 2] AS l, ARRAY[[9007199254740993, 1]] AS ns, ARRAY[1.5, 9007199254740993] AS ds, '{\"a\":1}'::json AS s, INTERVAL '90 minutes' AS i, avg(n) AS mean FROM (VALUES (1), (2)) AS v(n)",
      [
        {
          ...{ big: "9007199254740993", d: 1.5, nan: "NaN", none: null },
          ...{ ns: [["9007199254740993", 1]], ds: [1.5, "9007199254740993"] },
          ...{ l: [1, 2], s: { a: 1 }, i: "01:30:00", mean: 1.5 },
        },
      ],
    ],
    [
      "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n) AS median, count(*) FILTER (WHERE n > 1) AS many, array_agg(n ORDER BY n DESC) AS all FROM (VALUES (1), (2)) AS v(n)",
      [{ median: 1.5, many: 1, all: [2, 1] }],
    ],
    [
      "SELECT 1 IN (SELECT 1) AS a, EXISTS (SELECT 1) AS b, CASE WHEN true THEN 1 END AS c, (1, 2) = (1, 2) AS d, 'Ab' ILIKE 'aB' AS e, 'a' ~ '^a' AS f, NOT true IS TRUE AS g",
      [{ a: true, b: true, c: 1, d: true, e: true, f: true, g: false }],
    ],
    ["SELECT 1 AS a, 2 AS a", [{ a: 1, "a:1": 2 }]],
    ["SELECT * FROM sessions WHERE false", []],
    ["(SELECT 1 AS a) UNION (SELECT 2) ORDER BY a", [{ a: 1 }, { a: 2 }]],
    [
      "DESCRIBE SELECT event, tags FROM events JOIN sessions USING (session_id)",
      [
        { column_name: "event", column_type: "JSON" },
        { column_name: "tags", column_type: "VARCHAR[]" },
      ],
    ],
  ],
};

/** Queries that are wrong, with what is said of it. */
const WRONG: Record<Dialect, readonly [sql: string, why: RegExp][]> = {
  DuckDB: [
    [
      "SELECT nme FROM sessions",
      /"nme" not found.*name.* at line 1, column 8$/,
    ],
    ["SELECT *\nFROM sessions\nWHERE ü = 1", / at line 3, column 7$/],
    ["SELEC 1", /syntax error at or near "SELEC" at line 1, column 1$/],
    ["SELECT '§', lower(1, 2)", /No function matches.* at line 1, column 13$/],
    [
      "SELECT name::INTEGER FROM (VALUES ('x')) AS v(name)",
      /Could not convert string 'x'/,
    ],
    ["FROM secrets", /there is no table 'secrets'.* at line 1, column 6$/],
    ["SELECT 1; SELECT 2", /one statement alone$/],
    ["DROP TABLE events", /it is no SELECT$/],
    ["", /there is no query in it$/],
    [`SELECT '${"x".repeat(40_000)}'`, /longer than \d+ bytes$/],
  ],
  PostgreSQL: [
    [
      "SELECT nme FROM sessions",
      /"nme" does not exist.*name.* at line 1, column 8$/,
    ],
    ["SELECT *\nFROM sessions\nWHERE ü = 1", / at line 3, column 7$/],
    ["SELEC 1", /syntax error at or near "1" at line 1, column 7$/],
    [
      "SELECT '§', lower(1, 2)",
      /function lower.* does not exist at line 1, column 13$/,
    ],
    [
      "SELECT name::integer FROM (VALUES ('x')) AS v(name)",
      /invalid input syntax for type integer: "x"$/,
    ],
    [
      "SELECT * FROM secrets",
      /there is no table 'secrets'.* at line 1, column 15$/,
    ],
    ["SELECT 1, pg_sleep(1)", /'pg_sleep' is not there at line 1, column 11$/],
    ["SELECT 1; SELECT 2", /one statement alone$/],
    ["DROP TABLE events", /it is no SELECT$/],
    ["", /there is no query in it$/],
    [`SELECT '${"x".repeat(40_000)}'`, /longer than \d+ bytes$/],
  ],
};
