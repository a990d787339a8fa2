/**
 * What a person sees at a terminal: a table that fits it, whatever its width, and
 * references from it that find the session again.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { ToolClient } from "../../src/store/remote/client.ts";
import { expectFailure, plant } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

const SESSIONS = [
  { component: "mahavishnu", username: "les" },
  { component: "a".repeat(60), username: "漢字漢字" },
  { component: "zsh", username: "\u200b\x1b[31mroot\ufeff" },
];

test("no line wraps at any width, and the first cell is a reference", async () => {
  using sandbox = new Sandbox();
  const ids = plant(sandbox, SESSIONS);
  await sandbox.list();
  for (const columns of [40, 60, 80, 100, 110, 200]) {
    await using pty = new Pty(sandbox, [BINARY, "ls"], { columns });
    expect(await pty.ended()).toEqual({ code: 0, signal: null });
    const text = Bun.stripANSI(pty.withoutProgress());
    const lines = text.trimEnd().split("\r\n");
    const rows = lines.slice(1);
    expect(rows).toHaveLength(ids.length);
    expect(lines[0]).toStartWith("SESSION ID");
    for (const line of lines)
      expect(Bun.stringWidth(line)).toBeLessThanOrEqual(columns);
    expect(text).not.toMatch(/[\u200b\ufeff]/);
    for (const row of rows) {
      const { stdout } = await sandbox.run([
        "show",
        "--json",
        row.split(" ")[0]!,
      ]);
      expect(ids).toContain(
        (JSON.parse(stdout) as Record<string, string>)["session_id"]!,
      );
    }
  }
});

test("--wide and a pipe leave nothing out; a terminal of no size neither", async () => {
  using sandbox = new Sandbox();
  const ids = plant(sandbox, SESSIONS);
  const noSize = `stty cols 0 rows 0; exec ${BINARY} ls`;
  for (const argv of [
    [BINARY, "ls", "--wide"],
    ["bash", "-c", noSize],
  ]) {
    await using pty = new Pty(sandbox, argv, { columns: 40 });
    await pty.ended();
    for (const id of ids) expect(pty.text()).toContain(`${id}  `);
  }
  const { stdout } = await sandbox.run(["ls"], { env: { COLUMNS: "40" } });
  for (const id of ids) expect(stdout).toContain(`${id}\t`);
});

test("a name finds its session, an id before any name, and two of a name are told", async () => {
  using sandbox = new Sandbox();
  const [first, second, , twin] = plant(sandbox, [
    { name: "nightly" },
    { name: "weekly" },
    { name: "twice" },
    { name: "twice" },
  ]) as [string, string, string, string];
  const [sly] = plant(sandbox, [{ name: first.slice(-8) }, { name: second }]);
  const shown = async (reference: string) => {
    const run = await sandbox.run(["show-session", reference, "--json"]);
    expect(run.stderr).toBe("");
    return (JSON.parse(run.stdout) as { session_id: string }).session_id;
  };
  const all = async () => {
    expect(await shown("nightly")).toBe(first);
    expect(await shown(first.slice(-8))).toBe(first);
    expect(await shown(second)).toBe(second);
    const twice = await sandbox.run(["show", "twice"]);
    expectFailure(
      twice,
      1,
      /'twice' may mean 2 sessions \(give more of the id: /,
    );
    expect(twice.stderr).toContain(twin);
    const none = await sandbox.run(["show", "night"]);
    expectFailure(none, 1, /no session 'night' \(/);
    const listed = await sandbox.list("--name", "nightly");
    expect(listed.map((s) => s.session_id)).toEqual([first]);
  };
  expect(sly).toBeString();
  await all();
  await using server = await TestServer.start(sandbox);
  await all();
  const { result } = await server.call("get_session", {
    session_id: "nightly",
  });
  expect(JSON.stringify(result)).toContain(first);
  // It was asked, and answers: that is no refusal.
  const client = new ToolClient({ url: server.url, token: null });
  await expect(
    client.call("get_session", { session_id: "nobody" }),
  ).rejects.toThrow(
    /^the server at \S+ says: no session 'nobody' \(list_sessions /,
  );
});

test("the first listing says that it unpacks, to a person alone", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, [{}]);
  const cache = (name: string) => ({
    env: { XDG_CACHE_HOME: join(sandbox.home, name) },
  });
  const quiet = await sandbox.run(["ls"], cache("quiet"));
  expect(quiet).toMatchObject({ exitCode: 0, stderr: "" });
  for (const times of [1, 0]) {
    await using pty = new Pty(sandbox, [BINARY, "ls"], cache("seen"));
    await pty.ended();
    expect(pty.text().split("unpacks DuckDB into").length - 1).toBe(times);
    expect(pty.text()).toContain("planted-");
  }
});

test("show-session says each value once", async () => {
  using sandbox = new Sandbox();
  await sandbox.run(["shell", "--", "bash", "-c", "exit 3"]);
  const { stdout } = await sandbox.run(["show-session"]);
  for (const word of ["exit_code:", "signal:", "command_count:"])
    expect(stdout.split(word)).toHaveLength(2);
  expect(stdout).toMatch(/^duration: +\d+(\.\d{1,3})? s$/m);
  expect(stdout).not.toMatch(/_seconds:/);
  const [, metadata] = stdout.split("metadata:\n") as [string, string];
  for (const word of [
    ...["version", "adapters", "cli_preprocessing_enabled"],
    ...["tab_completion_enabled", "command_tree_size"],
  ])
    expect(metadata).toMatch(new RegExp(`^  ${word}: `, "m"));
});

test("a spreadsheet computes nothing of what was recorded", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, [{ name: "=cmd|' /C calc'!A1" }]);
  const csv = async (...more: string[]) =>
    (await sandbox.run(["ls", "--format", "csv", ...more])).stdout;
  expect(await csv()).toContain(",'=cmd|' /C calc'!A1,");
  expect(await csv("--csv-raw")).toContain(",=cmd|' /C calc'!A1,");
});
