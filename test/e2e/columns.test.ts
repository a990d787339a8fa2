/** Which columns a list has, with and without their names, in each form. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { query } from "../support/database.ts";
import { expectFailure, plant } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";

const COLUMNS = ["--columns", "component, session_id,exit_code,tags"];

test("columns are those that were asked for, in their order", async () => {
  using sandbox = new Sandbox();
  const [id] = plant(sandbox, [{}]) as [string];
  const list = async (...flags: string[]) => {
    const ran = await sandbox.run(["ls", ...COLUMNS, ...flags]);
    expect([ran.exitCode, ran.stderr]).toEqual([0, ""]);
    return ran.stdout;
  };
  expect(await list()).toBe(`planted\t${id}\t-\t[]\n`);
  const row = { component: "planted", session_id: id, exit_code: null };
  const json = `{"component":"planted","session_id":"${id}","exit_code":null,"tags":[]}`;
  expect(JSON.parse(await list("--json"))).toEqual([{ ...row, tags: [] }]);
  expect(await list("--format", "ndjson")).toBe(`${json}\n`);
  const csv = `planted,${id},,[]\r\n`;
  expect(await list("--format", "csv")).toBe(
    `component,session_id,exit_code,tags\r\n${csv}`,
  );
  expect(await list("--format", "csv", "--no-header")).toBe(csv);
  expect(
    (await sandbox.run(["ls", "--columns", "metadata"])).stdout,
  ).not.toContain(" ");
});

test("Parquet has the values of the JSON, with their types, wherever it goes", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, [
    { tags: ["a b", "'"], metadata: { ü: [1, { b: null }] }, exit_code: 3 },
    { name: "null", end_source: null },
  ]);
  const path = join(sandbox.home, "all.parquet");
  const written = await sandbox.run(["ls", "--output", path]);
  expect(written).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
  const pipe = `${BINARY} last --format parquet --columns name,exit_code,start_time | cat > some.parquet`;
  await sandbox.command(["bash", "-c", pipe]);
  const rows = await query<Record<string, string>>(
    ":memory:",
    `SELECT * REPLACE (metadata::VARCHAR AS metadata) FROM '${path}'`,
  );
  const sessions = await sandbox.list();
  expect(rows).toHaveLength(2);
  const seconds = (value: unknown) =>
    typeof value === "string" && /^\d{4}-\d\d-\d\d[T ]/.test(value)
      ? value.slice(0, 19).replace(" ", "T")
      : value;
  for (const [i, { metadata, ...row }] of rows.entries()) {
    const { metadata: told, duration_seconds, ...session } = sessions[i]!;
    expect(JSON.parse(metadata!)).toEqual(told);
    expect(Object.keys({ ...row, metadata }).sort()).toEqual(
      Object.keys(sessions[i]!).sort(),
    );
    // That of the other goes on.
    if (session.end_time !== null)
      expect(Number(row["duration_seconds"])).toBe(duration_seconds);
    for (const [key, value] of Object.entries(session))
      expect([key, seconds(row[key])]).toEqual([key, seconds(value)]);
  }
  const types = await query<{ column_name: string; column_type: string }>(
    ":memory:",
    `DESCRIBE FROM '${join(sandbox.home, "some.parquet")}'`,
  );
  expect(types.map((t) => `${t.column_name} ${t.column_type}`)).toEqual([
    ...["name VARCHAR", "exit_code SMALLINT", "start_time TIMESTAMP"],
  ]);
  await using pty = new Pty(sandbox, [BINARY, "ls", "--format", "parquet"]);
  expect(await pty.ended()).toEqual({ code: 64, signal: null });
  expect(pty.text()).toContain("parquet is nothing for a terminal");
});

test("at a terminal the names of the columns can be left out", async () => {
  using sandbox = new Sandbox();
  const [id] = plant(sandbox, [{}]) as [string];
  const screen = async (...flags: string[]) => {
    const argv = [BINARY, "ls", ...flags];
    await using pty = new Pty(sandbox, argv, { columns: 40 });
    expect(await pty.ended()).toEqual({ code: 0, signal: null });
    return pty.text().replaceAll("\r", "");
  };
  const columns = ["--columns", "session_id,working_directory"];
  expect(await screen(...columns)).toMatch(
    new RegExp(`^SESSION ID +WORKING DIRECTORY\n${id}  `),
  );
  expect(await screen(...columns, "--no-header")).toMatch(
    new RegExp(`^${id}  `),
  );
});

test("a column that there is not is told, with the nearest", async () => {
  using sandbox = new Sandbox();
  for (const [columns, said] of [
    [
      "session_ids",
      /have no column 'session_ids' \(did you mean session_id\?\)/,
    ],
    ["session_id,", /have no column '' /],
    ["name,name", /--columns has 'name' twice/],
  ] as const)
    expectFailure(await sandbox.run(["ls", "--columns", columns]), 64, said);
});
