/**
 * Old sessions go to files that hold all of them, and stay there: what comes
 * late does not bring them back. What runs, or is not all here yet, stays.
 */
import { expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  readFileSync,
} from "node:fs";
import { join } from "node:path";
import { sessionIdOf } from "../../src/model/id.ts";
import { annotation, command, end, start } from "../support/events.ts";
import { query } from "../support/database.ts";
import { expectFailure, needsRoot, runPrivately } from "../support/host.ts";
import { archivedIn, idsOf, old, settled } from "../support/keeping.ts";
import { keep, recordingOf, shown } from "../support/recording.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { until } from "../support/wait.ts";

interface Done {
  sessions: number;
  events: number;
  folder: string;
  spooled: number;
  tagged: number;
  compacted: boolean;
  recordings: { files: number; bytes: number };
  database_bytes: { before: number; after: number };
}

async function archive(sandbox: Sandbox, ...flags: string[]): Promise<Done> {
  const words = ["archive-sessions", "--yes", "--json", ...flags];
  const { exitCode, stdout, stderr } = await sandbox.run(words);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as Done;
}

const daysAgo = (days: number) =>
  new Date(Date.now() - days * 86_400_000).toISOString();

test.each(["without a server", "through a server"])(
  "%s: old sessions go whole, new and running ones stay, late events change nothing",
  async (how) => {
    using sandbox = new Sandbox();
    const gone = await settled(sandbox, old(20));
    const [running] = await settled(sandbox, [
      { component: "running", end_source: null },
    ]);
    const [recent] = await settled(sandbox, [{ at: daysAgo(2) }]);
    await using server = how.startsWith("through")
      ? await TestServer.start(sandbox)
      : null;
    const dry = await sandbox.run([
      "archive-sessions",
      "--days=30",
      "--dry-run",
    ]);
    expect(dry.stdout).toMatch(
      /^would go: 20 sessions, 40 events\nended: 2026-01-01T\S+ to 2026-01-01T\S+\n$/,
    );
    expect(await sandbox.list()).toHaveLength(22);
    const done = await archive(sandbox, "--days", "30");
    expect(done).toMatchObject({ sessions: 20, events: 40, spooled: 0 });
    expect(done.compacted).toBe(server === null);
    expect(done.folder).toMatch(/session-buddy\/archive\/\d{8}-\d{6}$/);
    expect(statSync(done.folder).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(done.folder))
      expect(statSync(join(done.folder, name)).mode & 0o777).toBe(0o600);
    expect(await archivedIn(sandbox, done.folder)).toEqual(gone.sort());
    const left = [running!, recent!].sort();
    expect(idsOf(await sandbox.list())).toEqual(left);

    const shown = await sandbox.run(["show-session", gone[0]!]);
    expectFailure(
      shown,
      1,
      /session 'planted-\S+' is archived in '\/.*archive/,
    );
    expect(shown.stderr).toContain(done.folder);
    // The same by its last 8 hex; one that never was is another matter.
    const hex = await sandbox.run(["show-session", gone[0]!.slice(-8)]);
    expect(hex.stderr).toBe(shown.stderr);
    const never = await sandbox.run(["show-session", "nobody"]);
    expectFailure(never, 1, /no session 'nobody'/);

    const events = await query<{ payload: string }>(
      join(sandbox.home, "any.duckdb"),
      `SELECT payload FROM '${done.folder}/events.parquet' ORDER BY seq`,
    );
    const late = events.map(({ payload }) => `${payload}\n`).join("");
    writeFileSync(join(sandbox.spool, "again.ndjson"), late);
    expect(idsOf(await sandbox.list())).toEqual(left);
    await until("its health", async () => {
      const { exitCode } = await sandbox.run(["mcp", "health"]);
      return exitCode === (server ? 0 : 2);
    });
  },
);

test("a session that the spool still has files of is not archived", async () => {
  using sandbox = new Sandbox();
  await sandbox.run(["shell", "--", "true"]);
  const { session_id } = await sandbox.only();
  expect(readdirSync(join(sandbox.spool, "done"))).toEqual([
    `${session_id}.ndjson`,
  ]);
  // Its minute begins anew with that: the machine may be slow.
  chmodSync(join(sandbox.spool, "done", `${session_id}.ndjson`), 0o600);
  const nothing = await sandbox.run(["archive-sessions", "--days", "0"]);
  expect([nothing.exitCode, nothing.stdout]).toEqual([
    0,
    "archived: 0 sessions, 0 events\nleft: 1 sessions with files in the spool, which go a minute after they are stored, or once a quarantined line can be read; then run this again\n",
  ]);
  rmSync(join(sandbox.spool, "done"), { recursive: true });
  // A line that nobody could read may say more of it.
  mkdirSync(join(sandbox.spool, "quarantine"));
  const line = join(sandbox.spool, "quarantine", `${session_id}.ndjson.77`);
  writeFileSync(line, "{torn");
  expect(await archive(sandbox, "--days", "0")).toMatchObject({
    ...{ sessions: 0, spooled: 1 },
  });
  rmSync(line);
  expect(await archive(sandbox, "--days", "0")).toMatchObject({
    ...{ sessions: 1, spooled: 0 },
  });
  expect(await sandbox.list()).toEqual([]);
});

test("tagged ones may stay", async () => {
  using sandbox = new Sandbox();
  const [tagged] = await settled(sandbox, [{ tags: ["keep"] }, ...old(2)]);
  const done = await archive(sandbox, "--days", "1", "--keep-tagged");
  expect(done).toMatchObject({ sessions: 2, tagged: 1 });
  expect(idsOf(await sandbox.list())).toEqual([tagged!]);
  expect(await archive(sandbox, "--days", "1")).toMatchObject({ sessions: 1 });
});

test("it asks with the count; no changes nothing", async () => {
  using sandbox = new Sandbox();
  await settled(sandbox, old(3));
  const words = ["archive-sessions", "--days", "30"];
  const unread = `${BINARY} ${words.join(" ")} 2> said; echo "was $?"`;
  await using blind = new Pty(sandbox, ["sh", "-c", unread]);
  await blind.expect("was 64");
  expect(readFileSync(join(sandbox.home, "said"), "utf8")).toMatch(
    /nobody is there to be asked \(.*--yes/,
  );
  for (const [answer, code, left] of [
    ["no", 1, 3],
    ["yes", 0, 0],
  ] as const) {
    await using pty = new Pty(sandbox, [BINARY, ...words]);
    await pty.expect("3 sessions with 6 events go to an archive. Go on? (y/N)");
    pty.line(answer);
    await pty.expect(
      code === 0 ? "archived: 3 sessions" : "nothing was changed",
    );
    expect(await pty.ended()).toEqual({ code, signal: null });
    expect(await sandbox.list()).toHaveLength(left);
  }
});

test("a script is not asked", async () => {
  using sandbox = new Sandbox();
  await settled(sandbox, old(3));
  const done = await sandbox.run(["archive-sessions", "--days", "30"]);
  expect(done).toMatchObject({ exitCode: 0, stderr: "" });
  expect(done.stdout).toStartWith("archived: 3 sessions, 6 events\n");
  expect(await sandbox.list()).toEqual([]);
});

test("the folder is one that it makes, wherever it is", async () => {
  using sandbox = new Sandbox();
  const ids = await settled(sandbox, old(2));
  const words = ["archive-sessions", "--days", "30", "--yes", "--output"];
  const there = await sandbox.run([...words, sandbox.home]);
  expectFailure(there, 64, /' exists already/);
  const nowhere = await sandbox.run([...words, "not/here"]);
  expectFailure(nowhere, 64, /there is no folder '.*not'/);
  expect(await sandbox.list()).toHaveLength(2);
  const done = await sandbox.run([...words, "mine"]);
  expect(done.stdout).toContain(`folder: ${sandbox.home}/mine\n`);
  expect(await archivedIn(sandbox, join(sandbox.home, "mine"))).toEqual(
    ids.sort(),
  );
  for (const days of [["--days", "x"], ["--days", "999999999"], []])
    expect((await sandbox.run(["archive-sessions", ...days])).exitCode).toBe(
      64,
    );
});

test("a session over the wire is archived too; what is sent again of it is no new one", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const args = startArguments({ timestamp: "2026-01-01T00:00:00Z" });
  const start = () => server.call("track_session_start", args);
  const { result } = await start();
  const session_id = result["session_id"] as string;
  const end = { event_type: "session_end", session_id };
  const ended = () =>
    server.call("track_session_end", {
      ...{ ...end, timestamp: "2026-01-01T00:01:00Z" },
    });
  expect((await ended()).result["status"]).toBe("ended");
  expect(await archive(sandbox, "--days", "30")).toMatchObject({ sessions: 1 });
  for (let times = 0; times < 2; times++) {
    expect((await start()).result).toMatchObject({
      ...{ session_id, status: "tracked", error: null },
    });
    expect((await ended()).result).toMatchObject({
      ...{ session_id, status: "ended", error: null },
    });
    expect(await sandbox.list()).toEqual([]);
  }
  const never = await server.call("track_session_end", {
    ...{ ...end, session_id: "ops-20260101-000000-0badcafe" },
    ...{ timestamp: "2026-01-01T00:01:00Z" },
  });
  expect(never.result["status"]).toBe("not_found");
});

test("of an archived session each kind of event is a duplicate, new remarks too", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const session_id = sessionIdOf(
    "sh",
    new Date("2026-02-06T12:34:56Z"),
    "0123abcd",
  );
  const of = { session_id };
  const life = [start(of), command(1, of), annotation(2, of), end(3, of)];
  const send = async (events: readonly object[]) => {
    const { result } = await server.call("track_events", {
      ...{ sent_at: new Date().toISOString(), events },
    });
    const results = result["results"] as { status: string; error: unknown }[];
    return results.map(({ status, error }) => [status, error]);
  };
  const each = (events: readonly object[], status: string) =>
    events.map(() => [status, null]);
  expect(await send(life)).toEqual(each(life, "stored"));
  expect(await archive(sandbox, "--days", "30")).toMatchObject({ sessions: 1 });
  const late = [annotation(4, of), command(5, of), end(6, of)];
  for (const events of [life, late, life.toReversed()])
    expect(await send(events)).toEqual(each(events, "duplicate"));
  // The id once more, for a session that begins anew: it stays where it is.
  const again = [start({ ...of, event_id: crypto.randomUUID() })];
  expect(await send(again)).toEqual(each(again, "duplicate"));
  expect(await sandbox.list()).toEqual([]);
});

test("where an archive does not fit, nothing is removed and nothing is left", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const ids = await settled(sandbox, old(3_000));
  const full = await runPrivately(
    sandbox,
    `mkdir -p small; mount -t tmpfs -o size=48k none small
      ${BINARY} archive-sessions --days 1 --yes -o small/a && exit 9
      ls -A small; ${BINARY} list-sessions | wc -l`,
  );
  expect(full.stderr).toMatch(/^session-buddy: the disk of '.*' is full /);
  expect(full.stdout).toBe(`${ids.length}\n`);
  // Where the database cannot be written anew, it is archived all the same.
  const { data } = sandbox;
  const tight = await runPrivately(
    sandbox,
    `cp -a ${data} all; mount -t tmpfs -o size=8m,mode=700 none ${data}
      cp -a all/. ${data}; mkdir out
      fallocate -l $(( $(df --output=avail -B1 ${data} | tail -1) - 700000 )) ${data}/fill
      ${BINARY} archive-sessions --days 1 --yes -o out/a --json
      ls ${data} >&2; rm ${data}/fill; ${BINARY} list-sessions --json`,
  );
  expect(tight.stderr).toContain("the database was not made smaller: ");
  expect(tight.stderr).not.toContain("compact\n");
  expect(tight.stdout).toContain('"compacted":false');
  expect(tight.stdout).toEndWith("}\n[]\n");
  expect(await archivedIn(sandbox, join(sandbox.home, "out/a"))).toEqual(
    ids.sort(),
  );
  expect(existsSync(`${sandbox.database}.compact`)).toBeFalse();
});

test.each(["alone", "with a server"])(
  "%s: the recordings of what is archived go along, and play from there",
  async (how) => {
    using sandbox = new Sandbox();
    const [old_one, recent] = await settled(sandbox, [
      ...old(1),
      { at: daysAgo(2) },
    ]);
    const shownAs = (text: string) => recordingOf([[shown(1, text)]]);
    for (const [id, text] of [
      [old_one!, "long ago\r\n"],
      [recent!, "lately\r\n"],
    ] as const)
      keep(sandbox, shownAs(text), id);
    await using _ = how === "alone" ? null : await TestServer.start(sandbox);
    const done = await archive(sandbox, "--days", "30");
    expect(done.recordings.files).toBe(1);
    const path = join(done.folder, "recordings", `${old_one}.rec`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const here = readdirSync(join(sandbox.data, "recordings"));
    expect(here).toEqual([`${recent}.rec`]);
    const played = await sandbox.run(["replay", path]);
    expect(played.stdout).toContain("long ago");
    expectFailure(
      await sandbox.run(["replay", old_one!.slice(-8)]),
      1,
      new RegExp(
        `is archived in '\\S+' \\(try: session-buddy replay '${path}'`,
      ),
    );
    // What is removed afterwards goes from there, too, and leaves its trace there.
    const words = ["redact", "--recording", "--yes", old_one!];
    const redacted = await sandbox.run(words);
    expect([redacted.exitCode, redacted.stderr]).toEqual([0, ""]);
    expect(redacted.stdout).toMatch(/^recording: removed/m);
    expect(existsSync(path)).toBe(false);
    const events = join(done.folder, "events.parquet");
    const removals = () =>
      query<{ payload: string }>(
        join(sandbox.home, "any.duckdb"),
        `SELECT payload FROM '${events}' WHERE kind = 'redaction'`,
      );
    expect(JSON.parse((await removals())[0]!.payload)).toMatchObject({
      recording: true,
    });
    expect((await sandbox.run(words)).exitCode).toBe(0);
    expect(await removals()).toHaveLength(1);
  },
);

test("on another disk, or on one that is full, recordings go whole or stay", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const [id] = await settled(sandbox, old(1));
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  const blocks = Array.from({ length: 60 }, (_, n) => [shown(n, noise)]);
  keep(sandbox, recordingOf(blocks), id);
  const there = join(sandbox.data, "recordings", `${id}.rec`);
  const script = `mkdir small large
    mount -t tmpfs -o size=2m none small; mount -t tmpfs -o size=40m none large
    ${BINARY} archive-sessions --days 1 --yes -o small/a && exit 9
    ls small; test -f ${there}
    ${BINARY} archive-sessions --days 1 --yes -o large/a
    cmp ${there} large/a/recordings/${id}.rec && exit 9
    stat -c %s large/a/recordings/${id}.rec`;
  const run = await runPrivately(sandbox, script);
  expect(run.stderr).toMatch(/the disk of '.*small\/a.*' is full/);
  expect(run.stdout).toMatch(/^archived: 1 sessions, 2 events\n/);
  expect(run.stdout).toMatch(/\nrecordings: 1 \(/);
  expect(existsSync(there)).toBe(false);
  expect(Number(run.stdout.trim().split("\n").at(-1))).toBeGreaterThan(
    3_600_000,
  );
}, 400_000);
