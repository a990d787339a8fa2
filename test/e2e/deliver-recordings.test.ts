/**
 * A host with a server elsewhere brings its recordings there: whole, once, after their
 * events, whatever breaks on the way; the server takes what was promised by whom it
 * belongs to, and nothing else.
 */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { at, end, start } from "../support/events.ts";
import { FarHost, type Piece } from "../support/far.ts";
import {
  configure,
  expectFailure,
  needsRoot,
  privately,
} from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { keep, readerOf, recordingOf, shown } from "../support/recording.ts";
import { BINARY, NO_JIT, Sandbox } from "../support/sandbox.ts";
import { leave, lines } from "../support/spool.ts";
import { mintToken } from "../support/token.ts";
import { until } from "../support/wait.ts";

let planted = 0;

/**
 * A recording of so many bytes, and a few more, with the end of its session, as a wrapper
 * left them: of what comes that fast a recorder that hardly runs keeps only a part.
 */
function large(near: Sandbox, bytes: number): string {
  const event_id = crypto.randomUUID();
  const session_id = `bash-20260206-123456-${event_id.slice(0, 8)}`;
  const blocks = Array.from({ length: Math.ceil(bytes / 16_384) }, (_, n) => {
    // What does not shrink.
    const noise = crypto.getRandomValues(new Uint8Array(16_384)).toHex();
    return [shown(n / 100, noise.replace(/.{32}/g, "$&\r\n"))];
  });
  blocks.push([shown(blocks.length / 100, "over\r\n")]);
  const file = recordingOf(blocks, { session_id, started_at: at(0) });
  keep(near, file, session_id);
  const sha256 = createHash("sha256").update(file).digest("hex");
  const recording = { bytes: file.length, sha256 };
  // Each ends after the one before: the oldest go first.
  const last = end(100 + ++planted, { session_id, measured: { recording } });
  const events = [start({ event_id, session_id }), last];
  leave(near, `${session_id}.ndjson`, lines(events));
  return session_id;
}

/** Several pieces. */
const LARGE_BYTES = 700_000;

/** As if it had been told to leave a server alone for long: a busy machine takes its time. */
function postpone({ data }: Sandbox): void {
  const path = join(data, "recordings/delivery.json");
  const state = JSON.parse(readFileSync(path, "utf8")) as object;
  expect(state).toMatchObject({ open_until: expect.any(String) });
  const open_until = new Date(Date.now() + 590_000).toISOString();
  writeFileSync(path, JSON.stringify({ ...state, open_until }));
}

const shownIn = (file: Uint8Array): string =>
  // Its header is not there yet.
  file.length === 0
    ? ""
    : Buffer.concat(
        [...readerOf(file).chunks()]
          .flatMap(({ entries }) => entries)
          .map(({ bytes }) => bytes),
      ).toString();

const outdated = () =>
  Response.json(
    { error: { code: "not_found", message: "there is nothing at this path" } },
    { status: 404 },
  );

test("a recording comes to the server after its events, the same to the byte, and stays on its host", async () => {
  await using hosts = await FarHost.start();
  const { near, far } = hosts;
  const id = large(near, LARGE_BYTES);
  expect(await hosts.drain()).toMatchObject({ exitCode: 0, stderr: "" });
  expect(hosts.recordings(far)).toEqual([id]);
  expect(hosts.bytesOf(far, id).equals(hosts.bytesOf(near, id))).toBe(true);
  expect(hosts.files(far)).toEqual([`${id}.from`, `${id}.rec`]);
  expect(hosts.passed.findIndex((one) => one === "track_events")).toBe(0);
  expect(hosts.pieces.map(({ offset }) => offset)).toEqual([
    ...hosts.pieces.keys().map((n) => n * 256 * 1024),
  ]);
  expect(hosts.pieces.length).toBeGreaterThan(1);
  const played = await far.run(["export", id, "--format", "txt"]);
  expect(played.stdout).toEndWith("\nover\n");
  const { length } = hosts.passed;
  expect((await hosts.drain()).exitCode).toBe(0);
  expect(hosts.passed.slice(length)).toEqual([]);
}, 400_000);

test("wrappers deliver by themselves, and no shell waits for it", async () => {
  await using hosts = await FarHost.start();
  const { near, far } = hosts;
  Object.assign(near.env, hosts.env());
  const held = Promise.withResolvers<null>();
  hosts.onPiece = () => held.promise;
  const first = await hosts.record("echo first");
  await until("its recording to be sent", async () => {
    return existsSync(join(near.data, "recordings/delivery.lock"));
  });
  // Its own drain meets the other one, which has to take it along.
  const second = await hosts.record("echo second");
  held.resolve(null);
  await until("both to be there", () => hosts.recordings(far).length === 2);
  expect(hosts.recordings(far).sort()).toEqual([first, second].sort());
}, 400_000);

test("a drain that meets another at work leaves its recording to that one", async () => {
  await using hosts = await FarHost.start();
  const { near, far } = hosts;
  const first = await hosts.record("echo first");
  const held = Promise.withResolvers<null>();
  const asked = Promise.withResolvers<void>();
  hosts.onPiece = () => (asked.resolve(), held.promise);
  const child = Bun.spawn([BINARY, "drain"], {
    env: near.envWith(hosts.env()),
  });
  await asked.promise;
  const second = await hosts.record("echo second");
  expect(await hosts.drain()).toMatchObject({ exitCode: 0, stderr: "" });
  expect(hosts.recordings(far)).toEqual([]);
  held.resolve(null);
  expect(await child.exited).toBe(0);
  expect(hosts.recordings(far).sort()).toEqual([first, second].sort());
}, 400_000);

test("what breaks off goes on where it was: the drain killed, the connection cut, the server killed", async () => {
  await using hosts = await FarHost.start();
  const { near, far } = hosts;
  const id = large(near, LARGE_BYTES);
  let child: Bun.Subprocess | null = null;
  hosts.onPiece = ({ offset, bytes }) => {
    if (bytes.length > 0 && offset > 0) child!.kill("SIGKILL");
    return offset > 0 ? "cut" : null;
  };
  child = Bun.spawn([BINARY, "drain"], { env: near.envWith(hosts.env()) });
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
  expect(hosts.files(far)).toEqual([`${id}.part`]);
  hosts.onPiece = ({ bytes }) => (bytes.length > 0 ? "cut" : null);
  const cut = await hosts.drain();
  expect(cut.exitCode).toBe(2);
  expect(cut.stderr).toMatch(
    /cannot be reached.*\(recordings wait on this host\)/,
  );
  hosts.onPiece = async ({ bytes }) => {
    if (bytes.length > 0) await hosts.server.stop("SIGKILL");
    return null;
  };
  expect((await hosts.drain()).exitCode).toBe(2);
  await hosts.restart();
  hosts.onPiece = () => null;
  expect(await hosts.drain()).toMatchObject({ exitCode: 0, stderr: "" });
  expect(hosts.bytesOf(far, id).equals(hosts.bytesOf(near, id))).toBe(true);
  // The first piece was never sent again.
  const starts = hosts.pieces.filter(({ offset }) => offset === 0);
  expect(starts).toHaveLength(1);
}, 400_000);

test("what is not the promised recording is not kept, and said; drain --retry brings it again", async () => {
  await using hosts = await FarHost.start();
  const { near, far } = hosts;
  const id = await hosts.record("echo original");
  hosts.onPiece = (piece: Piece) => {
    const bytes = Uint8Array.from(piece.bytes);
    if (bytes.length > 0) bytes[bytes.length - 1]! ^= 1;
    return { ...piece, bytes };
  };
  const spoiled = await hosts.drain();
  expect(spoiled.stderr).toMatch(
    /the recording of .* was not taken: .*its SHA-256 is another/,
  );
  expect(hosts.files(far)).toEqual([]);
  hosts.onPiece = () => null;
  expect((await hosts.drain()).stderr).toBe("");
  expect(hosts.files(far)).toEqual([]);
  expect((await hosts.drain(["--retry"])).exitCode).toBe(0);
  expect(hosts.recordings(far)).toEqual([id]);
  // One that was changed here is not even sent.
  const changed = await hosts.record("echo second");
  const path = join(near.data, "recordings", `${changed}.rec`);
  appendFileSync(path, "more");
  const before = hosts.pieces.length;
  expect((await hosts.drain()).stderr).toMatch(/it was changed since/);
  expect(hosts.pieces.length).toBe(before);
}, 400_000);

test("the recording of a wrapper that was killed comes, too", async () => {
  await using hosts = await FarHost.start();
  const { near, far } = hosts;
  const argv = [BINARY, "shell", "--quiet", "--record", "--"];
  await using pty = new Pty(near, [...argv, "bash", "--norc"]);
  pty.line("echo before $((1 + 1))");
  await pty.expect("before 2");
  await until("its recording", () => hosts.recordings(near).length === 1);
  const [id] = hosts.recordings(near);
  await until("what it showed", () =>
    /before 2/.test(shownIn(hosts.bytesOf(near, id!))),
  );
  pty.child.kill("SIGKILL");
  await pty.child.exited;
  await until("it to be delivered", async () => {
    expect((await hosts.drain()).exitCode).toBe(0);
    return hosts.recordings(far).length === 1;
  });
  const shown = await far.run(["export", id!, "--format", "txt"]);
  expect(shown.stdout).toContain("before 2");
  const [session] = await far.list();
  expect(session!.status).toBe("lost");
}, 400_000);

test("only the reporter of a session brings its recording, and only what its end tells of", async () => {
  const secret = `${crypto.randomUUID()}${crypto.randomUUID()}`;
  const env = { SESSION_BUDDY_SECRET: secret };
  await using hosts = await FarHost.start({ env });
  const { near, far, server } = hosts;
  const tokenOf = (subject: string, scope: "write" | "read" = "write") =>
    mintToken(secret, { subject, ttl_seconds: 600, scope }, Date.now());
  const id = await hosts.record("echo mine");
  hosts.onPiece = ({ bytes }) => (bytes.length > 0 ? "cut" : null);
  const own = { SESSION_BUDDY_TOKEN: tokenOf("web01") };
  expect((await hosts.drain([], own)).exitCode).toBe(2);
  const recording = hosts.bytesOf(near, id);
  const put = async (
    where: string,
    body: Uint8Array,
    token: string | null = tokenOf("web01"),
  ) => {
    const headers = token === null ? {} : { authorization: `Bearer ${token}` };
    const address = `${server.origin}/recordings/${where}`;
    const answer = await fetch(address, { method: "PUT", headers, body });
    const { error } = (await answer.json()) as { error?: { message: string } };
    return [answer.status, error?.message ?? ""];
  };
  const part = recording.subarray(0, 10);
  const another = id.slice(0, -1) + (id.endsWith("0") ? "1" : "0");
  for (const [where, body, token, status, sentence] of [
    [id, recording, tokenOf("web02"), 422, /belongs to another reporter/],
    [id, new Uint8Array(), tokenOf("web02"), 422, /another reporter/],
    [id, recording, tokenOf("web01", "read"), 401, /may only read/],
    [id, recording, null, 401, /Token required/],
    [
      `${id}?offset=0`,
      Buffer.concat([recording, part]),
      undefined,
      422,
      /more were sent/,
    ],
    [another, part, undefined, 409, /no event of session/],
    [`a%2F..%2Fx`, part, undefined, 404, /nothing at this path/],
    [`x`, part, undefined, 422, /not the id of a session/],
    [`${id}?offset=-1`, part, undefined, 400, /not understood/],
    [`${id}/x`, part, undefined, 404, /nothing at this path/],
  ] as const) {
    const answer = await put(where, body, token);
    expect([where, answer[0]]).toEqual([where, status]);
    expect(answer[1]).toMatch(sentence);
  }
  const large = await put(id, new Uint8Array(1024 * 1024 + 1));
  expect(large[0]).toBe(413);
  for (const method of ["GET", "POST", "DELETE"])
    expect(
      (await fetch(`${server.origin}/recordings/${id}`, { method })).status,
    ).toBe(405);
  expect(hosts.recordings(far)).toEqual([]);
  // What stands elsewhere than where ours ends changes nothing.
  expect((await put(`${id}?offset=7`, part))[0]).toBe(200);
  const both = [put(id, recording), put(id, recording)];
  for (const [status] of await Promise.all(both)) expect(status).toBe(200);
  expect(hosts.bytesOf(far, id).equals(recording)).toBe(true);
}, 400_000);

test("a server without room keeps the newest, counts what went, and refuses what is too large", async () => {
  await using hosts = await FarHost.start();
  const { near, far } = hosts;
  await hosts.server.stop();
  configure(far, "recordings: {session_bytes: 600000, max_bytes: 1048576}");
  await hosts.restart();
  const made: string[] = [];
  for (let n = 0; n < 3; n++) {
    made.push(large(near, 350_000));
    expect((await hosts.drain()).exitCode).toBe(0);
  }
  expect(hosts.recordings(far).sort()).toEqual(made.slice(1).sort());
  const metrics = await (await fetch(`${hosts.server.origin}/metrics`)).text();
  expect(metrics).toContain("session_buddy_recordings 2\n");
  expect(metrics).toContain("session_buddy_recordings_received_total 3\n");
  expect(metrics).toContain("session_buddy_recordings_removed_total 1\n");
  expectFailure(
    await far.run(["replay", made[0]!]),
    1,
    /the recording of session '\S+' went to make room on 20\S+ \(raise recordings\.max_bytes/,
  );
  const log = await far.run(["mcp", "logs"]);
  expect(log.stdout).toContain("recording_removed");
  const too_large = large(near, LARGE_BYTES);
  expect((await hosts.drain()).stderr).toMatch(
    /keeps none of more than 600000/,
  );
  expect(hosts.recordings(near)).toContain(too_large);
  expect(hosts.recordings(far).sort()).toEqual(made.slice(1).sort());
}, 400_000);

test("what is no recording, or another session's, is none, though its digest was promised", async () => {
  await using hosts = await FarHost.start();
  const { far, server } = hosts;
  const other = recordingOf([[shown(1, "planted")]]);
  for (const body of [crypto.getRandomValues(new Uint8Array(500)), other]) {
    const first = start({ event_id: crypto.randomUUID() });
    const session_id = `bash-20260206-123456-${first.event_id.slice(0, 8)}`;
    const sha256 = createHash("sha256").update(body).digest("hex");
    const recording = { bytes: body.length, sha256 };
    const last = end(9, { session_id, measured: { recording } });
    const events = [{ ...first, session_id }, last];
    const sent_at = new Date().toISOString();
    await server.call("track_events", { sent_at, events });
    const address = `${server.origin}/recordings/${session_id}`;
    const answer = await fetch(address, { method: "PUT", body });
    expect([answer.status, await answer.text()]).toEqual([
      422,
      expect.stringContaining(`is no recording of session '${session_id}'`),
    ]);
  }
  expect(hosts.files(far)).toEqual([]);
}, 400_000);

test("who brings much pushes out his own recordings, and nobody else's", async () => {
  const secret = `${crypto.randomUUID()}${crypto.randomUUID()}`;
  await using hosts = await FarHost.start({
    env: { SESSION_BUDDY_SECRET: secret },
  });
  const { near, far } = hosts;
  await hosts.server.stop();
  configure(far, "recordings: {max_bytes: 1048576}");
  await hosts.restart();
  const bring = async (subject: string) => {
    const id = large(near, 240_000);
    const facts = { subject, ttl_seconds: 600, scope: "write" as const };
    const token = mintToken(secret, facts, Date.now());
    const done = await hosts.drain([], { SESSION_BUDDY_TOKEN: token });
    expect([done.exitCode, done.stderr]).toEqual([0, ""]);
    return id;
  };
  const small = await bring("web02");
  const much: string[] = [];
  for (let n = 0; n < 4; n++) much.push(await bring("web01"));
  const kept = hosts.recordings(far);
  expect(kept).toContain(small);
  expect(kept).toContain(much.at(-1)!);
  expect(kept).not.toContain(much[0]!);
}, 400_000);

test("a server that is older is asked again seldom, and told of; nothing is lost", async () => {
  await using hosts = await FarHost.start();
  const { near, far } = hosts;
  const id = await hosts.record("echo early");
  let asked = 0;
  hosts.onPiece = () => (asked++, outdated());
  const first = await hosts.drain();
  expect(first.exitCode).toBe(1);
  expect(first.stderr).toMatch(
    /older than this session-buddy and takes no recordings/,
  );
  postpone(near);
  for (let n = 0; n < 3; n++) await hosts.drain(["--auto"]);
  expect(asked).toBe(1);
  const { stdout } = await near.run(["doctor", "--json"], { env: hosts.env() });
  expect(stdout).toMatch(/takes no recordings/);
  const [session] = await far.list();
  expect(session!.session_id).toBe(id);
  expectFailure(
    await far.run(["replay", id]),
    1,
    /the recording of session '\S+' is not on this host \(its own host brings it/,
  );
  hosts.onPiece = () => null;
  expect(await hosts.drain()).toMatchObject({ exitCode: 0, stderr: "" });
  expect(hosts.recordings(far)).toEqual([id]);
  // Of a host's own, once it has no room: where it can be played.
  rmSync(join(near.data, "recordings", `${id}.rec`));
  expectFailure(
    await near.run(["replay", id], { env: hosts.env() }),
    1,
    /is not on this host \(play it on the host of the server at http/,
  );
  expect(
    createHash("sha256").update(hosts.bytesOf(far, id)).digest("hex"),
  ).toBe((session!.metadata["recording"] as { sha256: string }).sha256);
}, 400_000);

test("what was recorded before there was a server stays, is asked for once, and is no trouble", async () => {
  await using hosts = await FarHost.start();
  const { near } = hosts;
  const id = await hosts.record("echo before");
  await near.list();
  let asked = 0;
  hosts.onPiece = () => (asked++, null);
  for (let n = 0; n < 2; n++)
    expect(await hosts.drain()).toMatchObject({ exitCode: 0, stderr: "" });
  expect(asked).toBe(1);
  expect(hosts.recordings(near)).toEqual([id]);
  const { stdout } = await near.run(["doctor", "--json"], { env: hosts.env() });
  expect(stdout).toMatch(/1 stay here, of sessions that it does not know/);
  // What somebody took away leaves nothing behind.
  rmSync(join(near.data, "recordings", `${id}.rec`));
  await hosts.drain();
  expect(hosts.files(near).filter((name) => name.startsWith(id))).toEqual([]);
}, 400_000);

test("what another machine of the same folder could not bring, this one may", async () => {
  await using hosts = await FarHost.start();
  const { near, far } = hosts;
  const id = await hosts.record("echo shared");
  const mark = { state: "refused", to: "", by: "0123456789abcdef", at: "" };
  const path = join(near.data, "recordings", `${id}.delivery`);
  writeFileSync(path, JSON.stringify(mark));
  expect(await hosts.drain()).toMatchObject({ exitCode: 0, stderr: "" });
  expect(hosts.recordings(far)).toEqual([id]);
  expect(readFileSync(path, "utf8")).toContain('"delivered"');
}, 400_000);

test("a server that cannot write keeps its trouble to itself, and the recording waits", async () => {
  await using hosts = await FarHost.start();
  const { near, far } = hosts;
  const id = await hosts.record("echo waits");
  // In the way of the folder.
  const folder = join(far.data, "recordings");
  writeFileSync(folder, "");
  const full = await hosts.drain();
  expect(full.exitCode).toBe(7);
  expect(full.stderr).not.toContain(far.home);
  expect((await far.run(["mcp", "logs"])).stdout).toContain(
    "recordings_unwritable",
  );
  rmSync(folder);
  expect(await hosts.drain()).toMatchObject({ exitCode: 0, stderr: "" });
  expect(hosts.bytesOf(far, id).equals(hosts.bytesOf(near, id))).toBe(true);
}, 400_000);

test("without a server recordings.keep holds as well: for who records, and who drains", async () => {
  using sandbox = new Sandbox();
  keep(sandbox, recordingOf([[shown(1, "old")]]));
  const folder = join(sandbox.data, "recordings");
  const [old] = readdirSync(folder);
  configure(sandbox, "recordings: {keep: 1ms}");
  const argv = [BINARY, "shell", "--quiet", "--record", "--", "echo", "new"];
  await using pty = new Pty(sandbox, argv);
  await pty.ended();
  const left = readdirSync(folder).filter((name) => name.endsWith(".rec"));
  expect(left).toHaveLength(1);
  expect(left).not.toContain(old!);
  // Its end is not stored yet: it goes with the next one.
  await sandbox.list();
  expect((await sandbox.run(["drain"])).exitCode).toBe(0);
  expect(readdirSync(folder)).toEqual(["removed.jsonl"]);
}, 400_000);

test("where the engine may not compile code, on either host, nothing breaks", async () => {
  await using hosts = await FarHost.start({ env: NO_JIT });
  const { near, far } = hosts;
  const id = await hosts.record("echo compiled");
  const well = { exitCode: 0, stderr: "" };
  // Nobody can tell there that its session is over: it waits for one who can.
  expect(await hosts.drain([], NO_JIT)).toMatchObject(well);
  expect(await hosts.drain()).toMatchObject(well);
  expect(hosts.bytesOf(far, id).equals(hosts.bytesOf(near, id))).toBe(true);
  const words = ["redact", "--recording", "--yes", id];
  expect((await far.run(words, { env: NO_JIT })).exitCode).toBe(0);
  expect(hosts.recordings(far)).toEqual([]);
}, 400_000);

test("with delivery.recordings off they stay where they are", async () => {
  await using hosts = await FarHost.start();
  configure(hosts.near, "delivery: {recordings: off}");
  const id = await hosts.record("echo here");
  expect((await hosts.drain()).exitCode).toBe(0);
  expect(hosts.recordings(hosts.near)).toEqual([id]);
  expect(hosts.files(hosts.far)).toEqual([]);
  expect(hosts.passed).toContain("track_events");
  expect(
    readFileSync(join(hosts.near.data, "recordings", `${id}.rec`)).length,
  ).toBeGreaterThan(0);
}, 400_000);

test("on its host the oldest go for the newest, those first that the server has", async () => {
  await using hosts = await FarHost.start();
  const { near } = hosts;
  configure(near, "recordings: {session_bytes: 400000, max_bytes: 1048576}");
  const kept = large(near, 350_000);
  const held = join(near.data, "recordings", `${kept}.rec`);
  hosts.onPiece = ({ session_id }) => (session_id === kept ? "cut" : null);
  const delivered = large(near, 350_000);
  await hosts.drain();
  // The first one still waits; the second is not asked for before it.
  hosts.onPiece = ({ session_id }) =>
    session_id === kept
      ? Response.json({ error: { message: "no" } }, { status: 409 })
      : null;
  await hosts.drain();
  expect(hosts.files(near)).toContain(`${delivered}.delivery`);
  const newest = await hosts.record("echo newest");
  expect(existsSync(held)).toBe(true);
  expect(hosts.recordings(near).sort()).toEqual([kept, newest].sort());
  const doctor = () => near.run(["doctor", "--json"], { env: hosts.env() });
  const detail = async (name: string) =>
    Object.values(
      (
        JSON.parse((await doctor()).stdout) as {
          phases: Record<string, { tests: { name: string; detail: string }[] }>;
        }
      ).phases,
    )
      .flatMap(({ tests }) => tests)
      .find((one) => one.name === name)!.detail;
  expect(await detail("recordings")).toMatch(/1 went to make room/);
  // Its end is not stored yet: it stays.
  large(near, 350_000);
  await hosts.record("echo last");
  expect(hosts.recordings(near)).not.toContain(kept);
  expect(await detail("recordings")).toMatch(
    /1 recordings went, to make room or by their age, before the server had them/,
  );
  // By their age, too, and by whoever drains.
  configure(near, "recordings: {keep: 1ms}");
  await hosts.drain();
  expect(hosts.recordings(near)).toEqual([]);
}, 400_000);

test("a server whose disk has no room says when to come again, and the host keeps it until there is", async () => {
  if (!needsRoot("nsenter")) return;
  const mount = `mkdir -p "$HOME/.local/share"; mount -t tmpfs -o size=200m none "$HOME/.local/share"; exec "$@"`;
  const under = [...privately(mount), "server"];
  await using hosts = await FarHost.start({ under });
  const { near, server } = hosts;
  const id = await hosts.record("echo kept");
  const answers: [number, string | null][] = [];
  hosts.onPiece = async ({ session_id, offset, bytes }) => {
    const address = `${server.origin}/recordings/${session_id}?offset=${offset}`;
    const answer = await fetch(address, { method: "PUT", body: bytes });
    answers.push([answer.status, answer.headers.get("retry-after")]);
    return answer;
  };
  const full = await hosts.drain();
  expect(full).toMatchObject({ exitCode: 7 });
  expect(full.stderr).toMatch(/there is no room for recordings just now/);
  expect(answers[0]).toEqual([200, null]);
  expect(answers.at(-1)).toEqual([503, "60"]);
  const { length } = answers;
  // Automatic ones leave it alone for as long.
  postpone(near);
  expect((await hosts.drain(["--auto"])).stderr).toMatch(
    /not delivered before 20\S+Z: .*there is no room for recordings just now/,
  );
  expect(answers).toHaveLength(length);
  expect(hosts.files(near)).toEqual(
    expect.arrayContaining(["delivery.json", `${id}.rec`]),
  );
  expect(hosts.files(near)).not.toContain(`${id}.delivery`);
  const inside = ["nsenter", "-t", `${server.child.pid}`, "-m", "mount"];
  const share = join(hosts.far.home, ".local/share");
  const grown = await hosts.far.command([
    ...[...inside, "-o", "remount,size=900m", share],
  ]);
  expect(grown.stderr).toBe("");
  expect(await hosts.drain()).toMatchObject({ exitCode: 0, stderr: "" });
  expect(hosts.files(near)).toContain(`${id}.delivery`);
}, 400_000);
