/** What recorded terminals showed is found: alone, with a server, and after its death. */
import { expect, test } from "bun:test";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Entry } from "../../src/model/recording/format.ts";
import { at, end } from "../support/events.ts";
import { query } from "../support/database.ts";
import { FarHost } from "../support/far.ts";
import { Pty } from "../support/pty.ts";
import { keep, recordingOf, shown } from "../support/recording.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { id, leave, life, lines } from "../support/spool.ts";
import { until } from "../support/wait.ts";

const RECORD = [BINARY, "shell", "--quiet", "--record", "--"];

interface Row {
  session_id: string;
  field: string;
  text: string;
  recording_ms: number | null;
}

async function search(sandbox: Sandbox, ...args: string[]): Promise<Row[]> {
  const words = ["search", ...args, "--json"];
  const { exitCode, stdout, stderr } = await sandbox.run(words);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as Row[];
}

async function asked(sandbox: Sandbox, sql: string): Promise<unknown> {
  const { stdout } = await sandbox.run(["query", "--format", "ndjson", sql]);
  return JSON.parse(stdout);
}

/** A shell that shows a needle, which no command has in it. */
async function record(sandbox: Sandbox): Promise<void> {
  await using pty = new Pty(sandbox, [...RECORD, "bash", "--norc"]);
  await pty.expect("$ ");
  pty.type("printf '10%%\\r%s\\033[1m%s\\n' nee dle; exit\r");
  expect(await pty.ended()).toMatchObject({ code: 0 });
}

/** A session that has ended, with such a recording. */
function ended(sandbox: Sandbox, n: number, blocks: Entry[][]): string {
  leave(sandbox, `${id(n)}.ndjson`, lines(life(n, end(60))));
  const head = { session_id: id(n), started_at: at(0) };
  return keep(sandbox, recordingOf(blocks, head), id(n));
}

test("the next search finds it, and says from where it is replayed", async () => {
  using sandbox = new Sandbox();
  await record(sandbox);
  // A recorder, or a busy machine, may need a moment more: the next one goes on.
  await until("all of it", async () => {
    const { stdout, stderr } = await sandbox.run(["search", "needle"]);
    return stdout !== "" && stderr === "";
  });
  const [hit, ...more] = await search(sandbox, "NEEDLE");
  expect([hit, more]).toMatchObject([{ field: "output", text: "needle" }, []]);
  const seconds = (Math.floor(hit!.recording_ms! / 100) / 10).toFixed(1);
  const { stdout } = await sandbox.run(["search", "needle", "--in", "output"]);
  expect(stdout.split("\t").slice(5)).toEqual([
    `output+${seconds}s`,
    "needle\n",
  ]);
  const flags = ["--in", "output"];
  await using pty = new Pty(sandbox, [BINARY, "search", "needle", ...flags]);
  expect(await pty.ended()).toMatchObject({ code: 0 });
  const [, hint] = /is replayed by: session-buddy (.*)/.exec(pty.text())!;
  expect(hint).toBe(`replay ${hit!.session_id} --from ${seconds}`);
  await using replay = new Pty(sandbox, [BINARY, ...hint!.trim().split(" ")]);
  await replay.expect("needle");
  replay.type("q");
  expect(await search(sandbox, "needle", "--in", "commands")).toEqual([]);
});

test("a place that there is not is refused", async () => {
  using sandbox = new Sandbox();
  const { exitCode, stderr } = await sandbox.run([
    "search",
    "x",
    "--in",
    "all",
  ]);
  expect([exitCode, stderr]).toEqual([
    64,
    expect.stringContaining(
      "--in takes commands, notes, sessions, output, not 'all' (try: --in output)",
    ),
  ]);
});

test("any command that has the database takes a short one in, a drain all", async () => {
  using sandbox = new Sandbox();
  const noise = Array.from({ length: 8_000 }, () => crypto.randomUUID());
  ended(sandbox, 1, [[shown(1, "short\r\n")]]);
  ended(sandbox, 2, [[shown(1, `${noise.join("\r\n")}\r\nlong\r\n`)]]);
  const read = () =>
    query(
      join(sandbox.data, "sessions.duckdb"),
      "SELECT session_id, lines FROM searched_recordings WHERE done ORDER BY 1",
    );
  // On a busy machine the next one goes on, so that nobody waits for long.
  await until("the short one", async () => {
    await sandbox.list();
    return (await read()).length > 0;
  });
  expect(await read()).toEqual([{ session_id: id(1), lines: 1 }]);
  await until("all of it", async () => {
    expect((await sandbox.run(["drain"])).exitCode).toBe(0);
    return (await read()).length === 2;
  });
  expect(await read()).toEqual([
    { session_id: id(1), lines: 1 },
    { session_id: id(2), lines: 8_001 },
  ]);
});

test("a server does that while it runs, and tells its log once of what it cannot read", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  await record(sandbox);
  const found = () => search(sandbox, "needle", "--in", "output");
  const [hit] = await until("the line", async () => {
    const hits = await found();
    return hits.length > 0 && hits;
  });
  const { result } = await server.call("search", {
    text: "needle",
    in: "output",
  });
  expect(result["hits"]).toEqual([hit!]);
  const path = join(sandbox.data, "recordings", `${hit!.session_id}.rec`);
  const file = readFileSync(path);
  // In the middle of a block's content.
  file[file.length - 8]! ^= 0xff;
  // At once, as one that is half written may be met.
  writeFileSync(join(sandbox.home, "damaged"), file, { mode: 0o600 });
  renameSync(join(sandbox.home, "damaged"), path);
  ended(sandbox, 3, [[shown(1, "of another\r\n")]]);
  await until("the next look", async () => {
    const hits = await search(sandbox, "of another");
    return hits.length > 0;
  });
  const log = await sandbox.run(["mcp", "logs"]);
  expect(log.stdout.match(/recording_not_searched/g)).toHaveLength(1);
  const { stdout } = await sandbox.run(["doctor", "--json"]);
  expect(stdout).toMatch(/of 1 not all, as of .*bytes of it are damaged/);
  rmSync(path);
  rmSync(join(sandbox.data, "recordings", `${id(3)}.rec`));
  await until("its removal", async () => {
    const rows = (await asked(
      sandbox,
      "SELECT count(*)::INTEGER AS n FROM output",
    )) as { n: number };
    return rows.n === 0;
  });
});

test("what another host has delivered is found, there and from that host", async () => {
  await using hosts = await FarHost.start();
  const { near, far } = hosts;
  const session_id = await hosts.record("printf 'nee%s\\n' dle");
  expect(await hosts.drain()).toMatchObject({ exitCode: 0, stderr: "" });
  const hits = await until("the line", async () => {
    const found = await search(far, "needle", "--in", "output");
    return found.length > 0 && found;
  });
  expect(hits).toMatchObject([{ session_id, text: "needle" }]);
  const { stdout } = await near.run(
    ["search", "needle", "--in", "output", "--json"],
    { env: hosts.env() },
  );
  expect(JSON.parse(stdout)).toEqual(hits);
});

test("a server that is killed while it reads goes on where it was", async () => {
  const line = (n: number) => `${n} ${"x".repeat(60)}\r\n`;
  const COUNT = 60_000;
  const blocks = Array.from({ length: COUNT / 2_000 }, (_, block) => [
    shown(
      block,
      Array.from({ length: 2_000 }, (_, n) => line(block * 2_000 + n)).join(""),
    ),
  ]);
  const stateOf = async (sandbox: Sandbox) =>
    (await asked(
      sandbox,
      `SELECT count(*)::INTEGER AS n, count(DISTINCT text)::INTEGER AS texts,
        count(DISTINCT recording_line)::INTEGER AS numbers,
        (SELECT bool_and(searched) FROM recordings) AS done FROM output`,
    )) as { n: number; texts: number; numbers: number; done: boolean | null };
  for (let tries = 0; ; tries++) {
    using sandbox = new Sandbox();
    const state = () => stateOf(sandbox);
    ended(sandbox, 1, blocks);
    const first = await TestServer.start(sandbox);
    const there = await until(
      "some of it",
      async () => {
        const now = await state();
        return now.n > 0 && now;
      },
      120_000,
    );
    await first.stop("SIGKILL");
    // Before it is asked it may be through.
    if (there.done && tries < 10) continue;
    expect(there.done).toBe(false);
    await using _server = await TestServer.start(sandbox);
    const all = await until(
      "all of it",
      async () => {
        const now = await state();
        expect(now.n).toBeGreaterThanOrEqual(there.n);
        return now.done && now;
      },
      120_000,
    );
    expect(all).toEqual({
      ...{ n: COUNT, texts: COUNT, numbers: COUNT, done: true },
    });
    const [hit] = await search(sandbox, "59999 x");
    expect(hit!.recording_ms).toBe((COUNT / 2_000 - 1) * 1_000);
    return;
  }
});
