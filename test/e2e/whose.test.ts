/**
 * Whose word counts, with the executable: a server with a secret, hosts that
 * deliver to it by tokens in files, and strangers with tokens that may write.
 */
import { expect, test } from "bun:test";
import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { spoolFolder } from "../../src/spool/write.ts";
import { configure, expectFailure, needsRoot, plant } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { until } from "../support/wait.ts";

const SECRET = "a secret of more than thirty-two characters";
const env = { SESSION_BUDDY_SECRET: SECRET };

class Site implements AsyncDisposable {
  readonly near = new Sandbox();
  private constructor(
    readonly far: Sandbox,
    readonly server: TestServer,
  ) {}

  static async open(): Promise<Site> {
    const far = new Sandbox();
    return new Site(far, await TestServer.start(far, { env }));
  }

  async token(...flags: string[]): Promise<string> {
    const { stdout } = await this.far.run(["token", ...flags], { env });
    return stdout.trim();
  }

  /** The other host delivers here, by this token in a file. */
  deliverBy(token: string): string {
    const file = join(this.near.home, "token");
    writeFileSync(file, `${token}\n`, { mode: 0o600 });
    configure(
      this.near,
      `server: {endpoint: ${this.server.url}}\nauth: {token_file: ${file}}\n`,
    );
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    this.near[Symbol.dispose]();
    this.far[Symbol.dispose]();
  }
}

const as = (token: string) => ({ authorization: `Bearer ${token}` });
const quarantined = ({ data }: Sandbox) => {
  const folder = join(spoolFolder(data), "quarantine");
  return readdirSync(folder).filter((name) => name.endsWith(".rejected"));
};

test("a live local session is its spool's: a stranger with a token that may write changes nothing", async () => {
  await using site = await Site.open();
  const { far, server } = site;
  const shell = Bun.spawn(
    [BINARY, "shell", "--component", "live", "--", "cat"],
    {
      ...{ env: far.env, cwd: far.home, stdin: "pipe" },
      ...{ stdout: "ignore", stderr: "ignore" },
    },
  );
  const session = await until("the session", async () =>
    (await far.list("--component", "live")).at(0),
  );
  const { session_id } = session;
  expect(session).toMatchObject({ reporter: "spool", attested: "spool" });
  const stranger = as(await site.token("--subject", "spool"));
  const timestamp = new Date().toISOString();
  const { result } = await server.call(
    "track_session_end",
    { session_id, timestamp },
    stranger,
  );
  expect(result).toMatchObject({ status: "error" });
  expect(result["error"]).toContain("belongs to another reporter");
  const start = {
    ...startArguments({ timestamp: "2020-01-01T00:00:00.000Z" }),
    ...{ session_id, session_type: "admin_shell", metadata: {} },
  };
  const batch = await server.call(
    "track_events",
    { sent_at: timestamp, events: [start] },
    stranger,
  );
  expect(batch.result["results"]).toMatchObject([
    { status: "rejected", error: "belongs to another reporter" },
  ]);
  const metrics = await fetch(new URL("/metrics", server.url), {
    headers: stranger,
  });
  expect(await metrics.text()).toContain(
    "\nsession_buddy_rejected_events_total 2\n",
  );
  const logs = await far.run(["mcp", "logs", "-n", "1000"]);
  expect(logs.stdout).toMatch(/events_rejected.*token:spool/);
  expect(logs.stdout).toContain(session_id);
  shell.stdin.end();
  expect(await shell.exited).toBe(0);
  const ended = await until("its end", async () =>
    (await far.list("--component", "live", "--status", "ended")).at(0),
  );
  expect(ended).toMatchObject({
    ...{ exit_code: 0, end_source: "observed", reporter: "spool" },
    start_time: session["start_time"],
  });
  // Where nothing is left to end it is counted and told of all the same.
  const again = { session_id, timestamp };
  await server.call("track_session_end", again, stranger);
  const after = await fetch(new URL("/metrics", server.url), {
    headers: stranger,
  });
  expect(await after.text()).toContain(
    "\nsession_buddy_rejected_events_total 3\n",
  );
});

test("a host delivers by the token in auth.token_file, which no program that it records sees", async () => {
  await using site = await Site.open();
  const { near, far } = site;
  const file = site.deliverBy(
    await site.token("--subject", "near", "--host", hostname()),
  );
  const run = await near.run(["shell", "--component", "near", "--", "env"]);
  expect(run.stdout).toContain("SESSION_BUDDY_SESSION_ID=");
  expect(run.stdout).not.toContain("TOKEN");
  const session = await until("its session", async () =>
    (await far.list("--reporter", "token:near", "--status", "ended")).at(0),
  );
  expect(session).toMatchObject({
    attested: "claimed",
    reporter: "token:near",
  });
  expect(await far.list("--attested", "spool")).toEqual([]);
  expect(await far.list("--attested", "claimed")).toHaveLength(1);
  const shown = await far.run(["show-session", session.session_id]);
  expect(shown.stdout).toMatch(/^reporter: +token:near\nattested: +claimed$/m);
  const csv = await far.run(["list-sessions", "--format", "csv"]);
  expect(csv.stdout).toMatch(
    /,reporter,attested,[^\n]*\r\n.*,token:near,claimed,/,
  );
  // By the variable too; and as a secret's file: ours, and for nobody else.
  configure(near, `server: {endpoint: ${site.server.url}}\n`);
  near.env["SESSION_BUDDY_TOKEN_FILE"] = file;
  expect((await near.run(["list-sessions", "--json"])).exitCode).toBe(0);
  chmodSync(file, 0o640);
  expectFailure(
    await near.run(["list-sessions"]),
    5,
    /auth\.token_file '.*\/token' can be read or written by others/,
  );
  writeFileSync(file, "two words\n", { mode: 0o600 });
  chmodSync(file, 0o600);
  expectFailure(await near.run(["list-sessions"]), 5, /token' holds no token/);
});

test("what another has taken stays in quarantine, and returns by drain --retry", async () => {
  await using site = await Site.open();
  const { near, far, server } = site;
  const [id] = plant(near, [{ component: "web", username: "deploy" }]);
  const mallory = as(await site.token("--subject", "mallory"));
  await server.call(
    "track_session_end",
    { session_id: id, timestamp: "2026-02-06T12:00:00Z" },
    mallory,
  );
  site.deliverBy(await site.token("--subject", "near"));
  const drained = await near.run(["drain"]);
  expect(drained.exitCode).toBe(0);
  expect(drained.stderr).toContain("belongs to another reporter");
  expect(quarantined(near)).toHaveLength(2);
  // Who did not hear of it, as where a drain beside us did, is told.
  for (const args of [["drain"], ["list-sessions"]]) {
    const told = await near.run(args);
    expect(told.exitCode).toBe(0);
    expect(told.stderr).toMatch(
      /events that a server has rejected, kept in '.*\/quarantine': 2 \(.*drain --retry\)/,
    );
  }
  const doctor = await near.run(["doctor"]);
  expect(doctor.stdout + doctor.stderr).toContain("drain --retry");
  const bad = join(spoolFolder(near.data), "quarantine", "x.rejected");
  writeFileSync(bad, "no event\n", { mode: 0o600 });
  const again = await near.run(["drain", "--retry"]);
  expect(again.stderr).toContain("0 are stored now and 2 are rejected again");
  expect(again.stderr).toContain("x.rejected: its first line is no event");
  expect(quarantined(near)).toHaveLength(3);
  expect(await far.list()).toEqual([]);
  // By one who may act for all.
  site.deliverBy(await site.token("--subject", "ops", "--scope", "admin"));
  const mended = await near.run(["drain", "--retry"]);
  expect(mended.stderr).toContain("2 are stored now and 0 are rejected again");
  expect(quarantined(near)).toEqual(["x.rejected"]);
  expect(await far.list()).toMatchObject([
    { session_id: id, username: "deploy", reporter: "token:mallory" },
  ]);
});

test("a host that signs its tokens itself stays the same reporter under another name", async () => {
  if (!needsRoot()) return;
  await using site = await Site.open();
  const { near, far, server } = site;
  near.env["SESSION_BUDDY_SECRET"] = SECRET;
  configure(near, `server: {endpoint: ${server.url}}\n`);
  for (const name of ["formerly", "today"]) {
    plant(near, [{ component: name }]);
    const drain = `hostname ${name}; exec "$0" drain`;
    const done = await near.command(
      ["unshare", "--uts", "bash", "-euc", drain, BINARY],
      {},
    );
    expect(done).toMatchObject({ exitCode: 0, stderr: "" });
    const [session] = await far.list("--component", name);
    expect(session!.reporter).toMatch(/^token:[^@]+@formerly$/);
  }
});

test("without a secret: who reports is the connection's user, and it is known where that fits", async () => {
  using sandbox = new Sandbox();
  const server = await TestServer.start(sandbox);
  const uid = process.geteuid!();
  const username = (await sandbox.command(["id", "-un"])).stdout.trim();
  const known = startArguments({
    ...{ event_id: crypto.randomUUID(), hostname: hostname() },
    user: { username, home: "/" },
  });
  await server.call("track_session_start", known);
  await server.call("track_session_start", startArguments());
  const all = await sandbox.list();
  expect(all.map(({ attested }) => attested).sort()).toEqual([
    "claimed",
    "uid",
  ]);
  for (const { reporter } of all) expect(reporter).toBe(`uid:${uid}`);
  for (const session of all)
    expect(session["metadata"]).toMatchObject({ clock_skew: true });
  const bad = await sandbox.run(["list-sessions", "--attested", "known"]);
  expectFailure(bad, 64, /--attested takes spool, uid, token, claimed/);
  await server.stop();
});
