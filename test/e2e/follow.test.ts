/** `replay --follow`: the screen of a session that runs, at another terminal. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expectFailure } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { Random } from "../support/random.ts";
import { begun } from "../support/recorded-screen.ts";
import { hostile } from "../support/recording.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { mintToken } from "../support/token.ts";
import { until } from "../support/wait.ts";

const RECORD = [BINARY, "shell", "--quiet", "--record", "--"];
/** What is drawn besides letters, and the frame around all of it. */
const DRAWN = /\x1b\[[\d;]*[mHGK]|\x1b\[2J|\x1b\[\?25[hl]|\x1b\[\?1049[hl]/g;

async function recordedShell(sandbox: Sandbox) {
  writeFileSync(
    join(sandbox.home, ".bashrc"),
    "PS1='<\\#>$ '\nunset HISTFILE\n",
  );
  const pty = new Pty(sandbox, [...RECORD, "bash"]);
  await pty.expect(/<1>\$ $/);
  pty.line("echo id $SESSION_BUDDY_SESSION_ID");
  const [, session_id] = await pty.expect(/^id (\S+)\s/m);
  await pty.expect(/<2>\$ $/);
  await until("its recording", () => begun(sandbox, session_id!));
  return { pty, session_id: session_id! };
}

const follow = (sandbox: Sandbox, ...args: string[]) =>
  new Pty(sandbox, [BINARY, "replay", "--follow", ...args]);

interface Shown {
  watches?: {
    watcher: string;
    said_by: string | null;
    end_time: string | null;
  }[];
}

async function watches(sandbox: Sandbox, session_id: string) {
  const { stdout } = await sandbox.run(["show-session", session_id, "--json"]);
  const { watches = [] } = JSON.parse(stdout) as Shown;
  return watches.map(({ said_by, end_time }) => [said_by, end_time !== null]);
}

describe.each(["alone", "with a server"])("%s", (how) => {
  test("it shows what comes, and how the session ended", async () => {
    using sandbox = new Sandbox();
    await using _ = how === "alone" ? null : await TestServer.start(sandbox);
    const { pty, session_id } = await recordedShell(sandbox);
    await using __ = pty;
    await using watching = follow(sandbox);
    await watching.expect(`id ${session_id}`);
    await watching.expect(/live \d+:\d\d/);
    pty.line("echo come''s");
    await watching.expect(/comes/);
    pty.line("exit 3");
    expect((await pty.ended()).code).toBe(3);
    await watching.expect(
      `${session_id}: the session has ended, with exit status 3`,
    );
    expect(await watching.ended()).toEqual({ code: 0, signal: null });
    expect(watching.raw()).toContain("\x1b[?1049l");
    expect(await watches(sandbox, session_id)).toEqual([[null, true]]);
    const over = await sandbox.run(["replay", "--follow", session_id]);
    expectFailure(
      over,
      1,
      /has ended, with exit status 3 \(try: session-buddy replay \S+\)/,
    );
  }, 400_000);

  test("q leaves it, and who comes again at once watches still", async () => {
    using sandbox = new Sandbox();
    await using _ = how === "alone" ? null : await TestServer.start(sandbox);
    const { pty, session_id } = await recordedShell(sandbox);
    await using __ = pty;
    for (const key of ["q", "\x03"]) {
      await using watching = follow(sandbox, session_id.slice(-8));
      await watching.expect("q quit");
      watching.type(key);
      const ended =
        key === "q"
          ? { code: 0, signal: null }
          : { code: null, signal: "SIGINT" };
      expect(await watching.ended()).toEqual(ended);
    }
    expect(await watches(sandbox, session_id)).toEqual([[null, true]]);
    pty.line("echo goes on");
    await pty.expect(/^goes on$/m);
    expect((await sandbox.only()).status).toBe("active");
  }, 400_000);
});

test("in a pipe it writes the lines", async () => {
  using sandbox = new Sandbox();
  // With a server nobody who asks has to wait for the database.
  await using _ = await TestServer.start(sandbox);
  const { pty } = await recordedShell(sandbox);
  await using __ = pty;
  const child = Bun.spawn([BINARY, "replay", "--follow"], {
    ...{ env: sandbox.envWith(), cwd: sandbox.home },
    ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
  await until("that it is watched", async () => {
    const { stdout } = await sandbox.run(["list-events"]);
    return stdout.includes("watch_start");
  });
  pty.line("printf 'one\\ttwo\\033[31m\\n'; seq 100; exit");
  await pty.ended();
  const text = await child.stdout.text();
  expect(text).toMatch(/^one\\?x?\d* *two$/m);
  expect(text).toContain("\n99\n100\n");
  expect(await child.stderr.text()).toContain("has ended, with exit status 0");
  expect(await child.exited).toBe(0);
}, 400_000);

describe("what cannot be watched is said in a sentence", () => {
  test("none; several; one that is not recorded; the one that we are in", async () => {
    using sandbox = new Sandbox();
    const none = await sandbox.run(["replay", "--follow"]);
    expectFailure(
      none,
      1,
      /no session that runs here is recorded \(try: session-buddy shell --record\)/,
    );
    expectFailure(
      await sandbox.run(["replay", "--follow", "nobody"]),
      1,
      /no session 'nobody'/,
    );
    expectFailure(
      await sandbox.run(["replay", "--follow", "./x.rec"]),
      64,
      /not a file/,
    );
    expectFailure(
      await sandbox.run(["replay", "--follow", "--speed", "2"]),
      64,
      /--follow shows what is now, and has no --speed/,
    );
    const { stdout } = await sandbox.run([
      "emit",
      "start",
      "--component",
      "job",
    ]);
    expectFailure(
      await sandbox.run(["replay", "--follow", stdout.trim()]),
      1,
      /is not recorded/,
    );
    const [first, second] = [
      await recordedShell(sandbox),
      await recordedShell(sandbox),
    ];
    await using _ = first.pty;
    await using __ = second.pty;
    const several = await sandbox.run(["replay", "--follow"]);
    expectFailure(
      several,
      1,
      /2 sessions that run here are recorded \(name one: /,
    );
    for (const { session_id } of [first, second])
      expect(several.stderr).toContain(session_id);
    second.pty.line(`${BINARY} replay --follow $SESSION_BUDDY_SESSION_ID`);
    await second.pty.expect("you are in that session");
    // Of the two that one is left.
    second.pty.line(`${BINARY} replay --follow`);
    await second.pty.expect("q quit");
    second.pty.type("q");
    await second.pty.expect(/<\d>\$ $/);
  }, 400_000);
});

test("whatever a session shows, the terminal of who watches is safe", async () => {
  using sandbox = new Sandbox();
  const { pty } = await recordedShell(sandbox);
  await using _ = pty;
  const random = Random.seeded("hostile");
  const all = Array.from({ length: 500 }, () => hostile(random)).join("");
  writeFileSync(join(sandbox.home, "hostile"), all);
  await using watching = follow(sandbox);
  await watching.expect("q quit");
  pty.line("stty -echo; cat hostile; printf '\\030\\033c\\npass''ed by\\n'");
  await watching.expect(/passed by/);
  watching.type("q");
  expect(await watching.ended()).toEqual({ code: 0, signal: null });
  expect(watching.withoutProgress().replace(DRAWN, "")).not.toMatch(
    /[\x00-\x1f\x7f-\x9f\u202e]/,
  );
}, 400_000);

test("a terminal that is taken away ends it", async () => {
  using sandbox = new Sandbox();
  const { pty } = await recordedShell(sandbox);
  await using _ = pty;
  await using watching = follow(sandbox);
  await watching.expect("q quit");
  watching.hangUp();
  expect(await watching.ended()).toEqual({ code: null, signal: "SIGHUP" });
});

test("a wrapper that is killed: the session is lost, and the look over", async () => {
  using sandbox = new Sandbox();
  const { pty, session_id } = await recordedShell(sandbox);
  await using _ = pty;
  await using watching = follow(sandbox);
  await watching.expect("q quit");
  process.kill(pty.pid, "SIGKILL");
  await watching.expect(`${session_id}: the session is lost`);
  expect(await watching.ended()).toEqual({ code: 0, signal: null });
}, 400_000);

test("by the server that its sessions are with, and a token that reads", async () => {
  using sandbox = new Sandbox();
  using other = new Sandbox();
  const secret = Buffer.from(
    crypto.getRandomValues(new Uint8Array(32)),
  ).toString("base64");
  await using server = await TestServer.start(sandbox, {
    env: { SESSION_BUDDY_SECRET: secret },
  });
  const { pty, session_id } = await recordedShell(sandbox);
  await using _ = pty;
  const facts = { subject: "ann", ttl_seconds: 600, scope: "read" } as const;
  const env = {
    SESSION_BUDDY_MCP_ENDPOINT: server.url,
    SESSION_BUDDY_TOKEN: mintToken(secret, facts, Date.now()),
  };
  const argv = [BINARY, "replay", "--follow", session_id];
  await using watching = new Pty(other, argv, { env });
  await watching.expect(`id ${session_id}`);
  pty.line("echo come''s");
  await watching.expect(/comes/);
  pty.resize(60, 20);
  pty.line("stty size");
  await watching.expect(/20 60/);
  pty.line("exit 3");
  await pty.ended();
  await watching.expect(
    `${session_id}: the session has ended, with exit status 3`,
  );
  expect(await watching.ended()).toEqual({ code: 0, signal: null });
  await server.stop();
  await until("who watched", async () => {
    const { stdout } = await sandbox.run(["show-session", session_id]);
    return /by ann from 127\.0\.0\.1, until /.test(stdout);
  });
}, 400_000);
