/** Recordings over HTTP: whole, and the screen of a shell that runs, as it changes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { CastClient } from "../support/casts.ts";
import { invitation } from "../support/dashboard.ts";
import { Pty } from "../support/pty.ts";
import { begun } from "../support/recorded-screen.ts";
import { keep, recordingOf, shown } from "../support/recording.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { mintToken } from "../support/token.ts";
import { gone, recorderOf, until } from "../support/wait.ts";

const sandbox = new Sandbox();
let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start(sandbox);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  sandbox[Symbol.dispose]();
});

const RECORD = [BINARY, "shell", "--quiet", "--record", "--"];

/** A recorded shell, the id of its session, and the process that records it. */
async function recordedShell(
  of = sandbox,
): Promise<{ pty: Pty; session_id: string; recorder: number }> {
  writeFileSync(join(of.home, ".bashrc"), "PS1='<\\#>$ '\nunset HISTFILE\n");
  const pty = new Pty(of, [...RECORD, "bash"]);
  await pty.expect(/<1>\$ $/);
  pty.line("echo id $SESSION_BUDDY_SESSION_ID");
  const [, session_id] = await pty.expect(/^id (\S+)\s/m);
  await pty.expect(/<2>\$ $/);
  // No shell waits for it.
  await until("its recording", () => begun(of, session_id));
  return { pty, session_id: session_id!, recorder: recorderOf(pty.pid)! };
}

const urlOf = (session_id: string, follow = true) =>
  `${server.origin}/recordings/${session_id}.cast${follow ? "?follow" : ""}`;

async function refusal(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; message: string }> {
  const answer = await fetch(url, { headers });
  const { error } = (await answer.json()) as { error: { message: string } };
  return { status: answer.status, message: error.message };
}

test("who watches sees the screen as it is, then what comes, until the end", async () => {
  const { pty, session_id, recorder } = await recordedShell();
  await using _ = pty;
  await using first = await CastClient.open(urlOf(session_id));
  const { status, headers } = first.response;
  expect(status).toBe(200);
  expect(headers.get("content-type")).toBe("application/x-asciicast");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("cache-control")).toBe("no-store");
  expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
  await first.expect(new RegExp(`^id ${session_id}$`, "m"));
  expect(first.header).toMatchObject({
    version: 3,
    term: { cols: 200, rows: 50 },
  });
  pty.line("printf '\\033[31mred\\033[m\\n'");
  await first.expect(/^red$/m);
  pty.resize(90, 20);
  pty.line("stty size");
  await first.expect(/^20 90$/m);
  await using second = await CastClient.open(urlOf(session_id));
  await second.expect(/^red$[^]*^20 90$/m);
  expect(second.header!.term).toMatchObject({ cols: 90, rows: 20 });
  expect(second.events[0]).toEqual([0, "o", expect.stringContaining("\x1bc")]);
  pty.line("exit 3");
  await pty.ended();
  for (const client of [first, second]) {
    await client.over();
    expect(client.ended).toBe(true);
    expect(client.events.slice(-2)).toEqual([
      [0, "m", "the session has ended, with exit status 3"],
      [0, "x", "3"],
    ]);
    expect(client.shown).toContain("exit 3");
  }
  expect(await refusal(urlOf(session_id))).toMatchObject({
    status: 410,
    message: expect.stringContaining("has ended, with exit status 3"),
  });
  // On a busy machine it may write on when its wrapper is gone.
  await gone(recorder);
  await using whole = await CastClient.open(urlOf(session_id, false));
  await whole.over();
  expect(whole.shown).toBe(first.shown);
  expect(whole.markers).toContain("stty size");
});

/** A session of another host, or of this one that has ended. */
async function emitted(...end: string[]): Promise<string> {
  const { stdout } = await sandbox.run(["emit", "start", "--component", "job"]);
  const session_id = stdout.trim();
  if (end.length > 0) await sandbox.run(["emit", "end", session_id, ...end]);
  return session_id;
}

describe("what there is not is said in a sentence", () => {
  test("no such session, whatever the path says", async () => {
    const ids = [
      "none",
      "bash-20260101-000000-00000000",
      "%2e%2e%2fx",
      "a%00b",
    ];
    for (const id of ids)
      for (const follow of [false, true])
        expect(await refusal(urlOf(id, follow))).toMatchObject({
          status: 404,
          message: expect.stringContaining("no such session"),
        });
    const beyond = await fetch(`${server.origin}/recordings/../x.cast`);
    expect(beyond.status).toBe(404);
    const posted = await fetch(urlOf("none"), { method: "POST" });
    expect(posted.status).toBe(405);
  });

  test("one that is not recorded; that was removed; that leads elsewhere", async () => {
    const runs = await emitted();
    expect(await refusal(urlOf(runs))).toMatchObject({
      status: 404,
      message: expect.stringContaining("not recorded"),
    });
    const { pty, session_id, recorder } = await recordedShell();
    await using _ = pty;
    pty.line("exit");
    await pty.ended();
    await gone(recorder);
    const path = join(sandbox.data, "recordings", `${session_id}.rec`);
    rmSync(path);
    expect(await refusal(urlOf(session_id, false))).toMatchObject({
      status: 410,
      message: "its recording was removed",
    });
    symlinkSync("/etc/passwd", path);
    const elsewhere = await refusal(urlOf(session_id, false));
    expect(elsewhere).toMatchObject({ status: 410 });
    expect(elsewhere.message).not.toContain(sandbox.home);
  });

  test("one that is damaged; and of one that is in part, the rest", async () => {
    const [none, part] = [
      await emitted("--exit-code", "0"),
      await emitted("--exit-code", "0"),
    ];
    keep(sandbox, new TextEncoder().encode("nothing"), none);
    expect(await refusal(urlOf(none, false))).toMatchObject({
      status: 410,
      message: "its recording is damaged, and cannot be read",
    });
    const file = recordingOf(
      [[shown(0, "begin\r\n")], [shown(1, "lost\r\n")], [shown(2, "over")]],
      { session_id: part },
    );
    const at = Buffer.from(file).indexOf("lost");
    file.fill(0, at, at + 4);
    keep(sandbox, file, part);
    await using rest = await CastClient.open(urlOf(part, false));
    await rest.over();
    expect(rest.shown).toBe("begin\nover");
    expect(rest.markers).toEqual([
      expect.stringContaining("the recording is damaged"),
    ]);
  });

  test("one of another host", async () => {
    const start = startArguments({ hostname: "elsewhere" });
    const { result } = await server.call("track_session_start", start);
    expect(await refusal(urlOf(String(result["session_id"])))).toMatchObject({
      status: 404,
      message: expect.stringContaining("is on elsewhere"),
    });
  });
});

describe("who may", () => {
  test("the owner's programs; a page only with a token, and none of others", async () => {
    const session_id = await emitted("--exit-code", "0");
    keep(
      sandbox,
      recordingOf([[shown(0, "text")]], { session_id }),
      session_id,
    );
    const url = urlOf(session_id, false);
    const status = async (headers: Record<string, string>) =>
      (await fetch(url, { headers })).status;
    expect(await status({})).toBe(200);
    expect(await status({ "sec-fetch-site": "same-origin" })).toBe(401);
    expect(await status({ "sec-fetch-site": "cross-site" })).toBe(403);
    expect(await status({ "sec-fetch-site": "same-site" })).toBe(403);
    expect(await status({ origin: "http://evil.example" })).toBe(403);
    expect(await status({ host: "evil.example" })).toBe(403);
    expect(await status({ authorization: "Bearer x.y.z" })).toBe(401);
    const code = /#k=([\w-]+)/.exec(await invitation(sandbox))![1]!;
    const traded = await fetch(`${server.origin}/web/token`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ code }),
    });
    const { token } = (await traded.json()) as { token: string };
    const authorization = `Bearer ${token}`;
    expect(
      await status({ "sec-fetch-site": "same-origin", authorization }),
    ).toBe(200);
    expect(
      await status({ "sec-fetch-site": "cross-site", authorization }),
    ).toBe(403);
  });

  test("with a secret whoever has a token that reads, until it ends", async () => {
    using other = new Sandbox();
    const secret = Buffer.from(
      crypto.getRandomValues(new Uint8Array(32)),
    ).toString("base64");
    const env = { SESSION_BUDDY_SECRET: secret };
    await using guarded = await TestServer.start(other, { env });
    const { pty, session_id } = await recordedShell(other);
    await using _ = pty;
    const url = `${guarded.origin}/recordings/${session_id}.cast?follow`;
    expect((await fetch(url)).status).toBe(401);
    const scope = "read" as const;
    const bearer = (ttl_seconds: number, secret_: string) => ({
      authorization: `Bearer ${mintToken(secret_, { subject: "ann", ttl_seconds, scope }, Date.now())}`,
    });
    expect(
      (await fetch(url, { headers: bearer(60, `${secret}x`) })).status,
    ).toBe(401);
    /** null: the token ended before the screen was there. */
    const watched = async (ttl_seconds: number) => {
      const headers = bearer(ttl_seconds, secret);
      const client = await CastClient.open(url, headers);
      const isThere = () => /^id /m.test(client.shown);
      const isOver = () => !client.response.ok || client.ended || client.broken;
      await until("the screen", () => isThere() || isOver());
      return isThere() ? client : null;
    };
    // A busy machine needs longer until it is there.
    await using client =
      (await watched(3)) ?? (await watched(10)) ?? (await watched(30));
    expect(client?.response.status).toBe(200);
    await client!.over();
    expect(client!.markers).toEqual(["the token has ended"]);
    expect(client!.ended).toBe(true);
  });
});

describe("while somebody watches", () => {
  test("a recording that is removed or replaced is over; the server goes on", async () => {
    const { pty, session_id } = await recordedShell();
    await using _ = pty;
    await using client = await CastClient.open(urlOf(session_id));
    await client.expect(/^id /m);
    const path = join(sandbox.data, "recordings", `${session_id}.rec`);
    rmSync(path);
    writeFileSync(path, "another", { mode: 0o600 });
    await client.over();
    expect(client.markers).toEqual(["its recording was removed"]);
    expect((await fetch(`${server.origin}/health`)).status).toBe(200);
    pty.line("exit");
    await pty.ended();
  });

  test("who reads nothing holds up nobody, and gets the screen as it is then", async () => {
    const { pty, session_id } = await recordedShell();
    await using _ = pty;
    const socket = net.connect(server.port, "127.0.0.1");
    let received = 0;
    let end = "";
    const path = `/recordings/${session_id}.cast?follow`;
    const begun = Promise.withResolvers<void>();
    socket.on("data", (bytes) => {
      received += bytes.length;
      end = (end + bytes.toString("latin1")).slice(-4_096);
      begun.resolve();
    });
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: localhost:${server.port}\r\n\r\n`,
    );
    await begun.promise;
    socket.pause();
    await using quick = await CastClient.open(urlOf(session_id));
    await quick.expect(/^id /m);
    pty.line("seq 1 4000000");
    // A busy recorder leaves out what comes too fast, the last line as well:
    // it is said until it is recorded.
    for (let tries = 1, isShown = false; !isShown; tries++) {
      pty.line("echo that is a''ll");
      isShown = await quick.expect(/^that is all$/m, 10_000).then(
        () => true,
        (error) => {
          if (tries === 30) throw error;
          return false;
        },
      );
    }
    socket.resume();
    await until("the screen", () => end.includes("that is all"));
    // 30 MB were shown.
    expect(received).toBeLessThan(16 * 1024 * 1024);
    socket.destroy();
    pty.line("exit");
    await pty.ended();
  }, 400_000);

  test("so many of one watch at the same time, and no more", async () => {
    const { pty, session_id } = await recordedShell();
    await using _ = pty;
    const clients: CastClient[] = [];
    for (let i = 0; i < 16; i++) {
      clients.push(await CastClient.open(urlOf(session_id)));
      expect(clients[i]!.response.status).toBe(200);
    }
    expect(await refusal(urlOf(session_id, false))).toEqual({
      status: 503,
      message: "you watch 16 recordings already (close one)",
    });
    clients[0]!.leave();
    await until("a free place", async () => {
      await using client = await CastClient.open(urlOf(session_id, false));
      return client.response.ok;
    });
    for (const client of clients) client.leave();
    pty.line("exit");
    await pty.ended();
  });

  test("a server that is stopped says so, and is not kept", async () => {
    using other = new Sandbox();
    await using stops = await TestServer.start(other);
    const { pty, session_id } = await recordedShell(other);
    await using _ = pty;
    const url = `${stops.origin}/recordings/${session_id}.cast?follow`;
    const left = await CastClient.open(url);
    await left.expect(/^id /m);
    left.leave();
    await using client = await CastClient.open(url);
    await client.expect(/^id /m);
    const stopped = stops.stop();
    await client.over();
    expect(client.markers).toEqual(["the server stops"]);
    expect(await stopped).toBe(0);
    // Who leaves is no trouble, and nor is who is told to.
    const state = join(other.home, ".local/state");
    const [log] = [...new Bun.Glob("**/server.log").scanSync(state)];
    const lines = readFileSync(join(state, log!), "utf8");
    expect(lines).toContain('"stopped"');
    expect(lines).not.toContain('"warn"');
    pty.line("echo goes on");
    await pty.expect(/^goes on$/m);
  });
});
