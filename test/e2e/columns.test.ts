/** Which columns a list has, with and without their names, in each form. */
import { expect, test } from "bun:test";
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
