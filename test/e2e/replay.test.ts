/** What a recorded terminal showed, played at another one. */
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import { Random } from "../support/random.ts";
import {
  HEADER,
  blockOf,
  hostile,
  keep,
  omitted,
  recordingOf,
  shown,
} from "../support/recording.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";

const E = "\x1b";
/** Nothing happens in it for an hour. */
const LONG = recordingOf([
  [shown(0, "first\r\n"), shown(1, "second\r\n")],
  [shown(3_600, `${E}[31mafter an hour\r\n`), shown(3_600.2, "the end")],
]);
/** What is drawn besides letters, and the frame around all of it. */
const DRAWN = /\x1b\[[\d;]*[mHGK]|\x1b\[2J|\x1b\[\?25[hl]|\x1b\[\?1049[hl]/g;

const replay = (sandbox: Sandbox, ...flags: string[]) =>
  new Pty(sandbox, [BINARY, "replay", ...flags], { columns: 100 });

test("it plays in its time, pauses, seeks and is left by q", async () => {
  using sandbox = new Sandbox();
  keep(sandbox, LONG);
  await using pty = replay(sandbox);
  await pty.expect("second");
  await pty.expect("/ 1:00:00");
  pty.type(" ");
  await pty.expect("paused");
  // To the end, and five seconds before it.
  pty.type(`${E}[F`);
  await pty.expect("the end");
  await pty.expect("1:00:00 / 1:00:00 [####################] end");
  pty.type(`${E}[D`);
  await pty.expect("59:55 / 1:00:00");
  pty.type(`${E}OC`);
  await pty.expect("the end");
  pty.type(`${E}[H`);
  await pty.expect("0:00 / 1:00:00");
  pty.type("q");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
});

test("where nothing happens it may go on, and faster", async () => {
  using sandbox = new Sandbox();
  keep(sandbox, LONG);
  const flags = ["--idle-limit", "0.1", "--speed", "2"];
  await using pty = replay(sandbox, ...flags, "1a2b3c4d");
  await pty.expect("after an hour");
  await pty.expect("x2");
  await pty.expect("end");
  pty.type("+");
  await pty.expect("x4");
  pty.type("q");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
});

test.each([
  ["--from", "59m"],
  ["--from", "3600"],
  ["--from", "2026-02-06T13:34:56Z"],
  ["--grep", "AN HOUR"],
])("it begins where it should: %s %s", async (flag, value) => {
  using sandbox = new Sandbox();
  keep(sandbox, LONG);
  await using pty = replay(sandbox, flag, value);
  await pty.expect(/(59:\d\d|1:00:00) \/ 1:00:00/);
  pty.type("q");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
});

test("of 500 hostile sequences nothing reaches the terminal", async () => {
  using sandbox = new Sandbox();
  const random = Random.seeded("hostile");
  const entries = Array.from({ length: 500 }, (_, i) =>
    shown(i / 1_000, hostile(random)),
  );
  // The end of it is seen, whatever they left open.
  entries.push(shown(1, `\x18${E}c`), shown(1.1, "over"));
  keep(sandbox, recordingOf([entries]));
  await using pty = replay(sandbox, "--speed", "4");
  await pty.expect("over");
  await pty.expect("end");
  pty.type("q");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
  expect(pty.raw().replace(DRAWN, "")).not.toMatch(
    /[\x00-\x1f\x7f-\x9f\u202e]/,
  );
});

test.each([
  ["q", 0],
  ["\x03", 130],
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
])("the terminal is as it was after %j", async (ending, status) => {
  using sandbox = new Sandbox();
  keep(sandbox, recordingOf([[shown(0, `${E}[?25l${E}[?7l${E}[5;9rhidden`)]]));
  const play = `sh -c 'echo $$ >pid; exec ${BINARY} replay'`;
  const script = `trap : INT HUP; stty -g >before; ${play}; echo "status $?"; stty -g >after; cmp before after && echo "the same"`;
  await using pty = new Pty(sandbox, ["bash", "-c", script]);
  await pty.expect("] end");
  const pid = Number(readFileSync(join(sandbox.home, "pid"), "utf8"));
  if (ending.length === 1) pty.type(ending);
  else process.kill(pid, ending);
  await pty.expect(`status ${status}`);
  await pty.expect("the same");
  const [, after] = pty.raw().split(`${E}[?1049l`);
  expect(pty.raw()).toContain(`${E}[?25h${E}[?1049l`);
  expect(after).not.toContain(E);
});

test.each(["\x1a", "SIGSTOP"])(
  "stopped by %j it goes on with fg",
  async (stop) => {
    using sandbox = new Sandbox();
    keep(sandbox, LONG);
    await using pty = new Pty(sandbox, ["bash", "--norc", "-i"]);
    await pty.expect("$ ");
    pty.line(`sh -c 'echo $$ >pid; exec ${BINARY} replay'`);
    await pty.expect("playing");
    const pid = Number(readFileSync(join(sandbox.home, "pid"), "utf8"));
    if (stop.length === 1) pty.type(stop);
    else process.kill(pid, stop);
    await pty.expect("Stopped");
    await pty.expect("$ ");
    pty.line("fg");
    await pty.expect("second");
    pty.type(" ");
    await pty.expect("paused");
    pty.type("q");
    await pty.expect("$ ");
    pty.line("echo status $?");
    await pty.expect("status 0");
  },
);

test("a terminal that is taken away ends it", async () => {
  using sandbox = new Sandbox();
  keep(sandbox, LONG);
  await using pty = replay(sandbox);
  await pty.expect("second");
  pty.hangUp();
  expect(await pty.ended()).toMatchObject({ signal: "SIGHUP" });
});

test("with another size it is drawn anew, and says which one it had", async () => {
  using sandbox = new Sandbox();
  keep(sandbox, recordingOf([[shown(0, "picture")]], { columns: 150 }));
  await using pty = new Pty(sandbox, [BINARY, "replay"], { columns: 190 });
  await pty.expect("picture");
  pty.resize(120, 40);
  await pty.expect("picture");
  await pty.expect("recorded at 150x10");
  pty.type("q");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
});

test("keys are heard, however much work a few bytes make", async () => {
  using sandbox = new Sandbox();
  const work = `${E}[?47h${E}[41m${E}[999S${E}[?47l`.repeat(40_000);
  const size = { columns: 10_000, rows: 10_000 };
  keep(sandbox, recordingOf([[shown(0, "begin")], [shown(1, work)]], size));
  await using pty = replay(sandbox, "--from", "1");
  await pty.expect("seeking");
  pty.type("q");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
});

test("in a pipe it writes the text, and what is not in it", async () => {
  using sandbox = new Sandbox();
  const file = Buffer.concat([LONG, blockOf([omitted(4_000, 12)])]);
  keep(sandbox, file.subarray(0, -3));
  const { stdout, stderr, exitCode } = await sandbox.run(["replay"]);
  expect(stdout).toBe("first\nsecond\nafter an hour\nthe end\n");
  expect(stderr).toMatch(
    /^session-buddy: the recording is cut off, or goes on: its last \d+ B are not whole\n$/,
  );
  expect(exitCode).toBe(0);
  const part = await sandbox.run(["replay", "--from", "10m"]);
  expect(part.stdout).toBe("after an hour\nthe end\n");
});

test("a session that was recorded is replayed from one of its commands", async () => {
  using sandbox = new Sandbox();
  await using shell = new Pty(sandbox, [BINARY, "shell", "--record"]);
  await shell.expect(/[#$] $/);
  for (const word of ["one", "two"]) {
    shell.line(`echo ${word} | tr a-z A-Z`);
    await shell.expect(word.toUpperCase());
    await shell.expect(/[#$] $/);
  }
  shell.line("exit");
  await shell.ended();
  // Slowly: it is over before a key could be pressed else.
  await using pty = replay(sandbox, "--command", "2", "--speed", "0.01");
  await pty.expect("ONE");
  await pty.expect(/[#$] echo two/);
  pty.type(" ");
  await pty.expect("paused");
  // Of commands that are more than a second apart it takes one for each.
  pty.type("[[");
  await pty.expect("0:00 / ");
  pty.type("]");
  await pty.expect("$ echo one | tr a-z A-Z  s");
  pty.type("q");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
  const none = await sandbox.run(["replay", "--command", "77"]);
  expect(none).toMatchObject({ exitCode: 1, stdout: "" });
  expect(none.stderr).toContain("the session has no command 77");
});

test("a file that somebody brought is played by its path", async () => {
  using sandbox = new Sandbox();
  writeFileSync(join(sandbox.home, "theirs.rec"), LONG);
  for (const path of ["theirs.rec", join(sandbox.home, "theirs.rec")]) {
    const { stdout } = await sandbox.run(["replay", path]);
    expect(stdout).toContain("after an hour");
  }
});

test.each([
  [
    [],
    1,
    "no terminal has been recorded yet (try: session-buddy shell --record)",
  ],
  [["nothing-like-it"], 1, "no session 'nothing-like-it'"],
  [["x.rec"], 1, "there is no file 'x.rec'"],
  [
    ["bad.rec"],
    1,
    "'bad.rec' is no recording of a terminal: it does not begin as one",
  ],
  [["./"], 6, "is not a regular file"],
  [["pipe.rec"], 6, "is not a regular file"],
  [[""], 64, "the session's id is empty"],
  [["--speed", "0"], 64, "--speed takes a number above 0, up to 1000, not '0'"],
  [["--idle-limit", "x"], 64, "--idle-limit takes seconds"],
  [["--grep", ""], 64, "--grep takes a text"],
  [["--command", "x"], 64, "--command takes the number of a command"],
  [
    ["--from", "1", "--grep", "x"],
    64,
    "--from and --grep say where it begins, each",
  ],
])("what cannot be played: %j", async (words, exitCode, sentence) => {
  using sandbox = new Sandbox();
  writeFileSync(join(sandbox.home, "bad.rec"), "hello");
  await sandbox.command(["mkfifo", "pipe.rec"]);
  const result = await sandbox.run(["replay", ...words]);
  expect(result).toMatchObject({ exitCode, stdout: "" });
  expect(result.stderr).toStartWith("session-buddy: ");
  expect(result.stderr).toContain(sentence);
  expect(result.stderr.trim()).not.toContain("\n");
});

test("what a recording has not is said", async () => {
  using sandbox = new Sandbox();
  keep(sandbox, LONG);
  keep(sandbox, LONG, "bash-20250101-000000-1a2b3c4e");
  for (const [words, sentence] of [
    [["1a2b3c4d", "--grep", "nowhere"], "'nowhere' was never to be seen in it"],
    [["1a2b3c4d", "--from", "2h"], "the recording has no moment '2h'"],
    [["bash-20"], "'bash-20' may mean 2 sessions"],
  ] as const) {
    const { stderr, exitCode } = await sandbox.run(["replay", ...words]);
    expect(stderr).toContain(sentence);
    expect(exitCode).toBeGreaterThan(0);
  }
  // The newest, by when it began.
  const { stdout } = await sandbox.run([
    "export",
    HEADER.session_id,
    "--format",
    "txt",
  ]);
  expect(stdout).toBe((await sandbox.run(["replay"])).stdout);
});
