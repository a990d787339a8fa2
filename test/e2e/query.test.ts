/** `session-buddy query`, alone and by a server, which answers others meanwhile. */
import { expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ENDLESS, REACHING } from "../contract/hostile-queries.ts";
import { query } from "../support/database.ts";
import { expectFailure, plant } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

const SESSIONS = [
  { component: "alpha", exit_code: 0 },
  { component: "alpha", exit_code: 3 },
  { component: "beta", exit_code: 0 },
];
/** The most that is granted over the network: what is tried is the answer. */
const PATIENT = { timeout_seconds: 60 };
const BY_COMPONENT =
  "SELECT component, count(*) AS n, max(exit_code) AS worst FROM sessions GROUP BY ALL ORDER BY 1";

for (const how of ["alone", "through a server"])
  test(`${how}: a query has the same answer in every format`, async () => {
    using sandbox = new Sandbox();
    plant(sandbox, SESSIONS);
    await using _server =
      how === "alone" ? null : await TestServer.start(sandbox);
    const run = (...words: string[]) => sandbox.run(["query", ...words]);
    const said = async (...words: string[]) => {
      const { exitCode, stdout, stderr } = await run(...words);
      expect([exitCode, stderr]).toEqual([0, ""]);
      return stdout;
    };
    const rows = [
      { component: "alpha", n: 2, worst: 3 },
      { component: "beta", n: 1, worst: 0 },
    ];
    expect(await said(BY_COMPONENT)).toBe("alpha\t2\t3\nbeta\t1\t0\n");
    expect(JSON.parse(await said("--json", BY_COMPONENT))).toEqual(rows);
    const lines = (await said("--format", "ndjson", BY_COMPONENT)).trimEnd();
    expect(lines.split("\n").map((line) => JSON.parse(line))).toEqual(rows);
    expect(await said("--format=csv", BY_COMPONENT)).toBe(
      "component,n,worst\r\nalpha,2,3\r\nbeta,1,0\r\n",
    );
    const formula = "SELECT '=1+1' AS f, '\u001b[31m' AS e, NULL AS n";
    expect(await said("--format=csv", formula)).toBe(
      "f,e,n\r\n'=1+1,\\x1b[31m,\r\n",
    );
    expect(await said("--format=csv", "--csv-raw", formula)).toContain(
      "\r\n=1+1,",
    );
    expect(await said("SELECT 1 WHERE false")).toBe("");
    expect(await said("--json", "SELECT 1 WHERE false")).toBe("[]\n");
    // A zone of the reader's is not that of the rows.
    const moment =
      "SELECT TIMESTAMP '2026-02-06 12:00' AS a, TIMESTAMPTZ '2026-02-06 12:00:00+02' AS b";
    const { stdout } = await sandbox.run(["query", moment], {
      env: { TZ: "Asia/Tokyo" },
    });
    expect(stdout).toBe("2026-02-06T12:00:00.000Z\t2026-02-06T10:00:00.000Z\n");
    const piped = await sandbox.run(["query", "-"], { stdin: BY_COMPONENT });
    expect(piped.stdout).toContain("alpha\t2");

    const file = join(sandbox.home, "out.parquet");
    await said("-o", file, "FROM sessions ORDER BY session_id");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const any = join(sandbox.home, "any.duckdb");
    expect(
      await query(
        any,
        `SELECT component, exit_code, metadata->>'adapters' AS a, typeof(start_time) AS t, typeof(tags) AS l, typeof(metadata) AS m FROM '${file}' WHERE exit_code = 3`,
      ),
    ).toEqual([
      {
        ...{ component: "alpha", exit_code: 3, a: "[]" },
        ...{ t: "TIMESTAMP", l: "VARCHAR[]", m: "JSON" },
      },
    ]);
    await said("-o", file, "SELECT 1 AS a, NULL::JSON AS j WHERE true");
    expect(await query(any, `FROM '${file}'`)).toEqual([{ a: 1, j: null }]);
    await said("-o", join(sandbox.home, "out.csv"), BY_COMPONENT);
    expect(readFileSync(join(sandbox.home, "out.csv"), "utf8")).toContain(
      "alpha,2,3",
    );

    for (const [words, code, why] of [
      [
        ["SELECT nme FROM sessions"],
        64,
        /"nme" not found.* at line 1, column 8/,
      ],
      [["FROM open_sessions"], 64, /no table 'open_sessions'/],
      [["SELECT 'x'::INTEGER"], 64, /Could not convert/],
      [[], 64, /query needs a SELECT/],
      [["-"], 64, /nothing came on standard input/],
      [["--timeout", "0", "SELECT 1"], 64, /--timeout takes seconds up to/],
      [["--format", "xml", "SELECT 1"], 64, /--format takes table, json/],
      [["-o", "/nowhere/x.csv", "SELECT 1"], 64, /nowhere/],
      [["-o", sandbox.database, "SELECT 1"], 64, /session-buddy's own|own/],
    ] as const)
      expectFailure(await run(...words), code, why);
  });

test("at a terminal it is a table with a header, or a line a value", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, SESSIONS);
  await using pty = new Pty(sandbox, [BINARY, "query", BY_COMPONENT]);
  await pty.expect("component  n  worst");
  await pty.expect("alpha      2  3");
  expect((await pty.ended()).code).toBe(0);
  await using wide = new Pty(sandbox, [
    ...[BINARY, "query"],
    "SELECT *, 'a b' AS said FROM sessions LIMIT 1",
  ]);
  await wide.expect(/status: +ended/);
  await wide.expect(/said: +a b/);
  expect((await wide.ended()).code).toBe(0);
});

test.each(["alone", "through a server"])(
  "%s: an endless one ends at its limit",
  async (how) => {
    using sandbox = new Sandbox();
    plant(sandbox, SESSIONS);
    await using _server =
      how === "alone" ? null : await TestServer.start(sandbox);
    const endless = sandbox.run(["query", "--timeout", "1", ENDLESS[0]!]);
    if (how !== "alone") {
      const others = await Promise.all([
        sandbox.list(),
        sandbox.run(["shell", "--", "true"]),
        sandbox.run(["query", "SELECT 41 + 1"]),
      ]);
      expect(others[0].length).toBeGreaterThanOrEqual(3);
      expect(others[2].stdout).toBe("42\n");
    }
    const ended = await endless;
    expectFailure(ended, 7, /did not end within 1 s.*--timeout/);
    expect((await sandbox.list()).length).toBeGreaterThanOrEqual(3);
  },
);

test("a server answers so many rows at most, and says so; a client that goes frees its place", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const many = await sandbox.run([
    ...["query", "--timeout", "600", "FROM range(100001)"],
  ]);
  expect(many.exitCode).toBe(0);
  expect(many.stdout.split("\n")).toHaveLength(100_001);
  expect(many.stderr).toMatch(/first rows only.* at most 100000 rows/);
  const big = await sandbox.run([
    ...["query", "--timeout", "600", "--json"],
    "SELECT repeat('x', 1000000) AS x FROM range(30)",
  ]);
  expect(JSON.parse(big.stdout)).toHaveLength(16);
  expect(big.stderr).toMatch(/16 MiB/);

  for (let times = 0; times < 3; times++) {
    const going = new AbortController();
    const call = fetch(server.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      signal: going.signal,
      body: JSON.stringify({
        ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
        params: {
          name: "query_sessions",
          arguments: { sql: ENDLESS[0], ...PATIENT },
        },
      }),
    });
    await server.call("health_check");
    going.abort();
    await call.catch(() => {});
  }
  const { result } = await server.call("query_sessions", {
    ...{ sql: "SELECT 1 AS one", ...PATIENT },
  });
  expect(result).toEqual({
    ...{ columns: [{ name: "one", type: "INTEGER" }], rows: [[1]], count: 1 },
    note: null,
  });
});

test("who may read may query, by the tool too, and nobody reaches more than the views", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, SESSIONS);
  const secret = crypto.randomUUID() + crypto.randomUUID();
  const env = { SESSION_BUDDY_SECRET: secret };
  await using server = await TestServer.start(sandbox, { env });
  const token = async (scope: string) =>
    (await sandbox.run(["token", "--scope", scope], { env })).stdout.trim();
  const ask = async (sql: string, bearer: string | null, more: object = {}) =>
    server.call(
      "query_sessions",
      { sql, ...PATIENT, ...more },
      bearer === null ? {} : { authorization: `Bearer ${bearer}` },
    );
  expect((await ask(BY_COMPONENT, null)).status).toBe(401);
  const reader = await token("read");
  const answer = await ask(BY_COMPONENT, reader, { limit: 1 });
  expect(answer.result).toMatchObject({
    ...{ rows: [["alpha", 2, 3]], count: 1 },
    note: expect.stringContaining("only the first 1 rows"),
  });
  const file = join(sandbox.home, "secret.csv");
  writeFileSync(file, `content\n${secret}\n`);
  for (const sql of REACHING) {
    const { isError, text } = await ask(sql.replaceAll("$FILE", file), reader);
    expect([sql, isError]).toEqual([sql, true]);
    expect(text).toStartWith("the query cannot run: ");
    expect(text).not.toContain(secret);
  }
  const late = await ask(ENDLESS[1]!, reader, { timeout_seconds: 0.5 });
  expect(late.text).toContain("did not end within 0.5 s");
  const long = await ask("SELECT 1", reader, { timeout_seconds: 300 });
  expect(long.text).toContain("at most 60 s");
  // Another host's command says the same as without a server.
  using other = new Sandbox();
  const far = {
    SESSION_BUDDY_MCP_ENDPOINT: server.url,
    SESSION_BUDDY_TOKEN: reader,
  };
  const wrong = await other.run(["query", "FROM nowhere"], { env: far });
  expectFailure(wrong, 64, /there is no table 'nowhere'/);
  const right = await other.run(["query", BY_COMPONENT], { env: far });
  expect(right.stdout).toContain("alpha\t2\t3");
});
