/**
 * Exports hold every event once, whoever interrupts them; imports bring each once, and
 * take nothing that is not what an export writes.
 */
import { createHash } from "node:crypto";
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Manifest } from "../../src/model/export.ts";
import { query } from "../support/database.ts";
import { expectFailure, plant } from "../support/host.ts";
import { Live } from "../support/live.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";

const SESSIONS = Array.from({ length: 12 }, (_, n) => ({
  ...{ component: `c${n % 3}`, tags: n % 2 ? ["odd"] : [], exit_code: n % 4 },
  at: new Date(Date.UTC(2026, 0, 1) + n * 60_000).toISOString(),
}));

async function exported(sandbox: Sandbox, ...words: string[]) {
  const done = await sandbox.run(["export", "--json", ...words]);
  expect([done.exitCode, done.stderr]).toEqual([0, ""]);
  return JSON.parse(done.stdout) as Record<string, unknown>;
}

async function imported(sandbox: Sandbox, folder: string) {
  const done = await sandbox.run(["import", "--json", folder]);
  expect([done.exitCode, done.stderr]).toEqual([0, ""]);
  return JSON.parse(done.stdout) as Record<string, unknown>;
}

/** All events, but for what the place of their storing gives them. */
async function eventsOf(sandbox: Sandbox) {
  const { stdout } = await sandbox.run(["list-events", "--format", "ndjson"]);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { provenance, event } = JSON.parse(line);
      return { provenance, event };
    });
}

/** Sessions of each kind: recorded, reported over the wire, annotated, lost. */
async function recorded(sandbox: Sandbox): Promise<string> {
  plant(sandbox, SESSIONS);
  plant(sandbox, [{ component: "gone", end_source: "recovered" }]);
  await sandbox.run(["shell", "--", "sh", "-c", "exit 3"]);
  await using server = await TestServer.start(sandbox);
  const { result } = await server.call("track_session_start", startArguments());
  const session_id = result["session_id"] as string;
  await sandbox.run(["annotate", "--session", session_id, "ticket=7"]);
  await server.call("track_session_end", {
    ...{ session_id, event_type: "session_end" },
    timestamp: "2026-02-06T12:35:56.789Z",
  });
  return session_id;
}

for (const how of ["without a server", "through a server"])
  for (const format of ["ndjson", "parquet"])
    test(`${how}: what is exported as ${format} is imported once, letter by letter`, async () => {
      using from = new Sandbox();
      using into = new Sandbox();
      await recorded(from);
      const folder = join(from.home, "out");
      {
        await using _server =
          how === "through a server" ? await TestServer.start(from) : null;
        const done = await exported(from, "--format", format, folder);
        expect(done).toMatchObject({ format, parts: 1, folder });
        expect(done["new_events"]).toBe(done["events"]);
      }
      expect(statSync(folder).mode & 0o777).toBe(0o700);
      for (const name of readdirSync(folder))
        expect([name, statSync(join(folder, name)).mode & 0o777]).toEqual([
          name,
          0o600,
        ]);
      const events = await eventsOf(from);
      {
        await using _server =
          how === "through a server" ? await TestServer.start(into) : null;
        expect(await imported(into, folder)).toMatchObject({
          ...{ stored: events.length, duplicates: 0, rejected: 0, spooled: 0 },
        });
        expect(await imported(into, folder)).toMatchObject({
          ...{ stored: 0, duplicates: events.length, rejected: 0 },
        });
      }
      expect(await eventsOf(into)).toEqual(events);
      expect(await into.list()).toEqual(await from.list());

      // Later only what is new goes over.
      const before = readdirSync(folder).map((name) => [
        name,
        statSync(join(folder, name)).mtimeMs,
      ]);
      const again = await exported(from, "--format", format, folder);
      expect(again).toMatchObject({ new_events: 0, events: events.length });
      expect(
        readdirSync(folder).map((name) => [
          name,
          statSync(join(folder, name)).mtimeMs,
        ]),
      ).toEqual(before);
      plant(from, [{ component: "new" }]);
      expect(await exported(from, "--format", format, folder)).toMatchObject({
        ...{ new_events: 2, parts: 2, events: events.length + 2 },
      });
      expect(await imported(into, folder)).toMatchObject({ stored: 2 });
      expect(await into.list()).toEqual(await from.list());
      if (format === "parquet")
        expect(
          await query(
            join(from.home, "any.duckdb"),
            `SELECT count(*)::INTEGER AS n, count(event->>'$.event_id')::INTEGER AS ids, min(timestamp) < max(timestamp) AS t FROM '${folder}/*.parquet'`,
          ),
        ).toEqual([{ n: events.length + 2, ids: events.length + 2, t: true }]);
    });

test("one that was killed goes on after its last whole part", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, SESSIONS);
  const folder = join(sandbox.home, "out");
  await exported(sandbox, folder);
  const whole = readFileSync(join(folder, "events-000001.ndjson"), "utf8");
  // Killed within the next part, and before the manifest was written.
  plant(sandbox, [{ component: "new" }]);
  writeFileSync(join(folder, "ndjson.new"), "torn");
  writeFileSync(join(folder, "events-000002.ndjson"), "torn");
  writeFileSync(join(folder, "manifest.json.new"), "{");
  expect(await exported(sandbox, folder)).toMatchObject({ new_events: 2 });
  expect(readFileSync(join(folder, "events-000001.ndjson"), "utf8")).toBe(
    whole,
  );
  expect(readdirSync(folder).sort()).toEqual([
    ...["events-000001.ndjson", "events-000002.ndjson", "manifest.json"],
  ]);
  using into = new Sandbox();
  expect(await imported(into, folder)).toMatchObject({ stored: 26 });
});

test("a folder is one export's alone", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, SESSIONS);
  const folder = join(sandbox.home, "out");
  await exported(sandbox, folder);
  const run = (...words: string[]) => sandbox.run(["export", ...words]);
  expectFailure(
    await run("--format", "parquet", folder),
    64,
    /has parts in ndjson/,
  );
  using other = new Sandbox();
  plant(other, [{}]);
  expectFailure(await other.run(["export", folder]), 64, /another database/);
  expectFailure(await run(), 64, /export needs a folder/);
  expectFailure(await run("--format", "csv", "x"), 64, /--format takes ndjson/);
  expectFailure(await run("/nowhere/x"), 64, /nowhere/);
  expectFailure(await run(join(sandbox.data, "spool")), 64, /own files/);
  symlinkSync(folder, join(sandbox.home, "link"));
  expectFailure(await run(join(sandbox.home, "link")), 6, /is a link/);
  chmodSync(folder, 0o755);
  expectFailure(await run(folder), 6, /not yours alone/);
  chmodSync(folder, 0o700);
  writeFileSync(join(folder, "events-000001.ndjson"), "other");
  expectFailure(await run(folder), 1, /is not what was written/);
  rmSync(join(folder, "events-000001.ndjson"));
  expectFailure(await run(folder), 1, /is missing/);
});

describe("an import refuses", () => {
  /** A copy of an export with one part, changed, with the right sums again. */
  async function changed(
    sandbox: Sandbox,
    change: (lines: string[]) => string[],
  ): Promise<string> {
    const folder = join(sandbox.home, "out");
    if (!existsSync(folder)) {
      plant(sandbox, SESSIONS);
      await exported(sandbox, folder);
    }
    const copy = join(sandbox.home, `out-${crypto.randomUUID()}`);
    cpSync(folder, copy, { recursive: true });
    chmodSync(copy, 0o700);
    const file = join(copy, "events-000001.ndjson");
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    const text = `${change(lines).join("\n")}\n`;
    writeFileSync(file, text, { mode: 0o600 });
    rewrite(copy, (manifest) => {
      const [part] = manifest.parts;
      part!.bytes = Buffer.byteLength(text);
      part!.sha256 = createHash("sha256").update(text).digest("hex");
    });
    return copy;
  }

  function rewrite(folder: string, change: (manifest: any) => void): void {
    const file = join(folder, "manifest.json");
    const manifest = JSON.parse(readFileSync(file, "utf8")) as Manifest;
    change(manifest);
    writeFileSync(file, JSON.stringify(manifest), { mode: 0o600 });
  }

  const first =
    (change: (line: any) => object | string) => (lines: string[]) => {
      const [line, ...rest] = lines;
      const made = change(JSON.parse(line!));
      return [typeof made === "string" ? made : JSON.stringify(made), ...rest];
    };

  test("what is no export, or was changed, with the line and why; nothing of it is stored", async () => {
    using sandbox = new Sandbox();
    using into = new Sandbox();
    const intact = await changed(sandbox, (lines) => lines);
    for (const [what, why] of [
      [first(() => "{torn"), /line 1: /],
      [first(() => "null"), /line 1: it has no event/],
      [first(() => '{"event":7,"provenance":null}'), /line 1: /],
      [
        first((line) => ({ ...line, event: { ...line.event, timestamp: 7 } })),
        /line 1: timestamp/,
      ],
      [
        first((line) => ({
          ...line,
          event: { ...line.event, session_id: "../x" },
        })),
        /line 1: session_id/,
      ],
      [
        first((line) => ({
          ...line,
          event: { ...line.event, event_type: "heartbeat" },
        })),
        /line 1: it is a heartbeat/,
      ],
      [
        first((line) => ({ ...line, provenance: { via: "god" } })),
        /line 1: its provenance/,
      ],
      [
        first((line) => ({
          ...line,
          provenance: { ...line.provenance, more: 1 },
        })),
        /line 1: its provenance/,
      ],
      [
        first((line) => ({
          ...line,
          event: { ...line.event, metadata: { x: "y".repeat(400_000) } },
        })),
        /line 1: longer than/,
      ],
      [(lines) => lines.slice(1), /has 23 events, not 24/],
      [(lines) => [...lines, "x".repeat(2_000_000)], /line 25: longer than/],
    ] as [(lines: string[]) => string[], RegExp][]) {
      const folder = await changed(sandbox, what);
      expectFailure(await into.run(["import", folder]), 1, why);
    }
    for (const [what, why] of [
      [(m) => (m.kind = "else"), /none of session-buddy/],
      [(m) => (m.version = 2), /its version is 2/],
      [(m) => (m.parts = 7), /has no parts/],
      [(m) => (m.parts[0].file = "../../etc/passwd"), /its file is not events/],
      [(m) => (m.parts[0].events = "24"), /a number is none/],
      [(m) => (m.parts[0].sha256 = "0".repeat(64)), /is not what was written/],
      [(m) => (m.parts[0].sha256 = 0), /its sum is none/],
      [
        (m) => m.parts.push({ ...m.parts[0], file: "events-000002.ndjson" }),
        /not after the one before/,
      ],
    ] as [(manifest: any) => void, RegExp][]) {
      const folder = await changed(sandbox, (lines) => lines);
      rewrite(folder, what);
      expectFailure(await into.run(["import", folder]), 1, why);
    }
    const linked = await changed(sandbox, (lines) => lines);
    const part = join(linked, "events-000001.ndjson");
    renameSync(part, join(sandbox.home, "elsewhere"));
    symlinkSync(join(sandbox.home, "elsewhere"), part);
    expectFailure(await into.run(["import", linked]), 1, /is a link/);
    rmSync(part);
    mkdirSync(part);
    expectFailure(await into.run(["import", linked]), 6, /events-000001/);
    const open = await changed(sandbox, (lines) => lines);
    chmodSync(open, 0o777);
    expectFailure(await into.run(["import", open]), 6, /others can write to/);
    const nothing = join(sandbox.home, "nothing");
    mkdirSync(nothing, { mode: 0o700 });
    expectFailure(await into.run(["import", nothing]), 64, /is no export/);
    expectFailure(await into.run(["import", `${nothing}x`]), 1, /no folder/);
    expectFailure(await into.run(["import"]), 64, /import needs a folder/);
    expect(await into.list()).toEqual([]);
    expect(await imported(into, intact)).toMatchObject({ stored: 24 });
  });

  test("events of a session that another has reported here", async () => {
    using sandbox = new Sandbox();
    using into = new Sandbox();
    const stranger = { via: "tcp", uid: null, subject: "eve", address: null };
    const provenance = { ...stranger, reporter: "token:eve" };
    let session_id = "";
    const folder = await changed(sandbox, (lines) => lines);
    await imported(into, folder);
    const forged = await changed(sandbox, (lines) =>
      lines.map((line, n) => {
        const { event, ...rest } = JSON.parse(line);
        if (n !== 1) return line;
        session_id = event.session_id;
        const event_id = Bun.randomUUIDv7();
        return JSON.stringify({
          ...rest,
          ...{ provenance, event: { ...event, event_id, exit_code: 99 } },
        });
      }),
    );
    const done = await into.run(["import", forged]);
    expect(done.exitCode).toBe(1);
    expect(done.stdout).toBe(
      "imported: 0 of 24 events\nleft: 23 were there already\nleft: 1 were rejected\n",
    );
    expect(done.stderr).toMatch(
      /1 events were rejected, the first: session_end of \S+, reported by token:eve: belongs to another reporter/,
    );
    const shown = (await into.list()).find((s) => s.session_id === session_id);
    expect(shown?.exit_code).not.toBe(99);
  });

  test("secrets that are still in it", async () => {
    using sandbox = new Sandbox();
    using into = new Sandbox();
    const secret = ["ghp", "A1b2C3d4".repeat(5).slice(0, 36)].join("_");
    const folder = await changed(
      sandbox,
      first((line) => ({
        ...line,
        event: { ...line.event, reason: `token ${secret}` },
      })),
    );
    expect(await imported(into, folder)).toMatchObject({ stored: 24 });
    const { stdout } = await into.run(["list-events", "--format", "ndjson"]);
    expect(stdout).toContain("token ");
    expect(stdout).not.toContain(secret);
    expect(readFileSync(into.database).includes(secret)).toBe(false);
  });
});

test("a session that runs here is its spool's; one that ran there is lost until its end comes", async () => {
  using sandbox = new Sandbox();
  using into = new Sandbox();
  await using live = await Live.begin(sandbox);
  const folder = join(sandbox.home, "out");
  await exported(sandbox, folder);
  const again = await imported(sandbox, folder);
  expect(again).toMatchObject({ stored: 0, duplicates: 0, lost: 0 });
  expect(again["spooled"]).toBeGreaterThan(0);
  expect(await sandbox.only()).toMatchObject({ status: "active" });

  expect(await imported(into, folder)).toMatchObject({ lost: 1 });
  expect(await into.only()).toMatchObject({ status: "lost" });
  await live.end(5);
  await exported(sandbox, folder);
  await imported(into, folder);
  expect(await into.only()).toMatchObject({
    ...{ session_id: live.session_id, status: "ended", exit_code: 5 },
  });
});
