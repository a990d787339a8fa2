/** Whose screen is recorded: by a flag, by the configuration, and what is said where it is not. */
import { expect, test } from "bun:test";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configure } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { prepared, recorded, recordings } from "../support/recorded-screen.ts";
import { BINARY, NO_JIT, Sandbox } from "../support/sandbox.ts";
import { gone, readsInput, recorderOf } from "../support/wait.ts";

const SHELL = [BINARY, "shell"];
const PROGRAM = "echo sho''wn; exit 3";
const QUICK = ["--", "sh", "-c", PROGRAM];
/** Before a program: it waits until it is recorded, and for a word of ours. */
const HELD =
  'until [ -s "$HOME"/.local/share/session-buddy/recordings/"$SESSION_BUDDY_SESSION_ID.rec" ] && [ -e "$HOME/go" ]; do sleep 0.1; done; ';

/**
 * A wrapper waits for its recorder for some seconds alone, of which a slow machine may
 * need more to start it: the program ends once it records, and we go on once it is gone.
 * @param flags and HELD before the program
 */
async function recordedWhole(
  sandbox: Sandbox,
  flags: readonly string[],
  { env = {}, code = 3 }: { env?: Record<string, string>; code?: number } = {},
): Promise<string> {
  await using pty = new Pty(sandbox, [...SHELL, ...flags], { env });
  const recorder = await pty.until("its recorder", () => recorderOf(pty.pid));
  const go = join(sandbox.home, "go");
  writeFileSync(go, "");
  expect((await pty.ended()).code).toBe(code);
  rmSync(go);
  await gone(recorder);
  return pty.text();
}

/** What a person sees of one that is recorded. */
const seenRecorded = (
  sandbox: Sandbox,
  flags: string[],
  env: Record<string, string> = {},
) =>
  recordedWhole(sandbox, [...flags, "--", "sh", "-c", HELD + PROGRAM], { env });

/** What a person sees of a wrapped program that ends with 3, or what is said. */
async function seen(
  sandbox: Sandbox,
  flags: string[],
  { env = {}, code = 3 }: { env?: Record<string, string>; code?: number } = {},
): Promise<string> {
  await using pty = new Pty(sandbox, [...SHELL, ...flags, ...QUICK], { env });
  expect((await pty.ended()).code).toBe(code);
  return pty.text();
}

const count = ({ data }: Sandbox) =>
  existsSync(join(data, "recordings")) ? recordings(data).length : 0;

test("a flag, a variable and the configuration ask for it; --no-record wins", async () => {
  using sandbox = new Sandbox(false);
  expect(await seen(sandbox, [])).not.toContain("Screen:");
  expect(count(sandbox)).toBe(0);
  const plain = "Screen: recorded without secrets, what is typed is not\r\n";
  expect(await seenRecorded(sandbox, ["--record"])).toContain(plain);
  const env = { SESSION_BUDDY_SESSION_RECORD: "true" };
  expect(await seenRecorded(sandbox, [], env)).toContain(plain);
  expect(count(sandbox)).toBe(2);
  configure(sandbox, "session: {record: true}");
  expect(await seenRecorded(sandbox, [])).toContain(plain);
  expect(await seen(sandbox, ["--no-record"])).not.toContain("Screen:");
  expect(count(sandbox)).toBe(3);
  expect(recorded(sandbox).shown.toString()).toBe("shown\r\n");
  const both = await sandbox.run([
    "shell",
    "--record",
    "--no-record",
    ...QUICK,
  ]);
  expect(both).toMatchObject({ exitCode: 64, stdout: "" });
  expect(both.stderr).toContain("--record and --no-record are opposites");
});

test("a condition of the configuration asks for it, and the banner says which", async () => {
  using sandbox = new Sandbox(false);
  configure(
    sandbox,
    "session: {record: {when: [{component: nobody}, {component: 'd*', command: exit 3}]}}",
  );
  const other = await seen(sandbox, ["--component", "psql"]);
  expect(other).not.toContain("Screen:");
  expect(await seenRecorded(sandbox, ["--component", "db"])).toContain(
    "Screen: recorded without secrets, what is typed is not, as configured for component d* and command exit 3\r\n",
  );
  expect(count(sandbox)).toBe(1);
  expect(await seenRecorded(sandbox, ["--record"])).toContain("is not\r\n");
  const shown = await sandbox.run(["config"]);
  expect(shown.stdout).toMatch(/session\.record\t\S+config\.yaml:1\t\{"when":/);
});

test("a mistake in a condition is explained, and keeps nobody from a shell", async () => {
  using sandbox = new Sandbox(false);
  configure(sandbox, "session:\n  record: {when: {uesr: root}}");
  const { exitCode, stderr } = await sandbox.run(["config", "--check"]);
  expect(exitCode).toBe(5);
  expect(stderr).toMatch(
    /config\.yaml:2: session\.record\.when\.uesr is not a setting \(known: component, user, command\)/,
  );
  expect(await seen(sandbox, [])).toContain("uesr is not a setting");
});

test("show-session tells what a recording came to", async () => {
  using sandbox = prepared();
  await seenRecorded(sandbox, ["--record"]);
  const { stdout } = await sandbox.run(["show-session"]);
  expect(stdout).toMatch(/^ {2}recording: [\d.]+ (B|KiB), [\d.]+ ?m?s$/m);
});

test("rules and sizes of --config hold for a recording, too, and the program has no word of them", async () => {
  using sandbox = new Sandbox(false);
  writeFileSync(
    join(sandbox.home, "own.yaml"),
    "redaction: {patterns: {mine: 'TK-(?<s>[0-9]+)'}}\nrecordings: {session_bytes: 65536}\n",
  );
  const script = `${HELD}echo TK-47''11; env | grep -c HOOKS; head -c 90000 /dev/urandom | od`;
  const flags = ["--record", "--config", "own.yaml", "--"];
  await recordedWhole(sandbox, [...flags, "sh", "-c", script], { code: 0 });
  const { shown, file } = recorded(sandbox);
  expect(shown.toString()).toStartWith("TK-****\r\n0\r\n");
  expect(file.length).toBeLessThanOrEqual(65_536);
});

test("of what is on no terminal, or in part, nothing is recorded, and a sentence says so", async () => {
  using sandbox = new Sandbox(false);
  await using pty = new Pty(sandbox, ["bash", "--norc", "--noprofile"], {
    env: { BINARY, PS1: "<> " },
  });
  await pty.expect("<> ");
  const program = "sh -c 'cat; echo sho\"\"wn; exit 3'";
  pty.line(`echo in | $BINARY shell --record -- ${program}; echo st''atus=$?`);
  await pty.expect(
    "session-buddy: its screen is not recorded: its input is no terminal",
  );
  await pty.expect(/in\s+shown\s+status=3/);
  pty.line("$BINARY shell --record -- sh -c 'exit 4' | cat; echo do''ne");
  await pty.expect("Screen: not recorded - its output is no terminal");
  await pty.expect("done");
  pty.line(`echo in | $BINARY shell --quiet --record -- ${program} 2>&1`);
  await pty.expect(/2>&1\s+in\s+shown\s+<> /);
  // Nobody is at a terminal: nothing is to be said.
  const piped = await sandbox.run(["shell", "--record", ...QUICK]);
  expect(piped).toMatchObject({ exitCode: 3, stdout: "shown\n", stderr: "" });
  expect(count(sandbox)).toBe(0);
  expect((await sandbox.list()).length).toBe(4);
});

test("where the engine may not compile, it is said, and strictly there is no shell", async () => {
  using sandbox = new Sandbox(false);
  const why = "the engine may not compile code here";
  const plain = await seen(sandbox, ["--record"], { env: NO_JIT });
  expect(plain).toContain(`Screen: not recorded - ${why}`);
  expect(plain).toContain("shown");
  const strict = ["--record", "--audit", "strict"];
  const refused = await seen(sandbox, strict, { env: NO_JIT, code: 125 });
  expect(refused).not.toContain("shown");
});

test("strictly, no shell whose screen is not recorded, and that is on record", async () => {
  using sandbox = new Sandbox(false);
  const strict = ["--record", "--audit", "strict"];
  expect(await seen(sandbox, strict)).toContain("shown");
  await using pty = new Pty(sandbox, [
    "bash",
    "-c",
    `"$@" | cat; exit \${PIPESTATUS[0]}`,
    "bash",
    ...SHELL,
    ...strict,
    ...QUICK,
  ]);
  await pty.expect(
    "session-buddy: its screen cannot be recorded and the audit is strict: its output is no terminal",
  );
  expect((await pty.ended()).code).toBe(125);
  expect(pty.text()).not.toContain("shown");
  const [last] = await sandbox.list();
  expect(last).toMatchObject({
    ...{ status: "ended", exit_code: 125 },
    metadata: { exit_reason: "cannot_run" },
  });
  // On no terminal there is no screen: what comes over ssh, say.
  const piped = await sandbox.run(["shell", ...strict, ...QUICK]);
  expect(piped).toMatchObject({ exitCode: 3, stdout: "shown\n", stderr: "" });
});

test("strictly, a recorder that cannot begin keeps from the shell; else it is told", async () => {
  using sandbox = new Sandbox(false);
  await seen(sandbox, []);
  // In the place of its folder.
  writeFileSync(join(sandbox.data, "recordings"), "");
  const strict = await seen(sandbox, ["--record", "--audit", "strict"], {
    code: 125,
  });
  expect(strict).toMatch(
    /its screen cannot be recorded and the audit is strict: '.*recordings' is not a folder/,
  );
  expect(strict).not.toContain("shown");
  // What it says is heard at the end, if it has been said by then.
  const program = `echo be''gun; read go; ${PROGRAM}`;
  const words = [...SHELL, "--record", "--", "sh", "-c", program];
  await using pty = new Pty(sandbox, words);
  await pty.expect("begun");
  const recorder = await pty.until("its recorder", () => recorderOf(pty.pid));
  await pty.until("it to have said so", () => readsInput(recorder));
  pty.line("");
  expect((await pty.ended()).code).toBe(3);
  const loose = pty.text();
  expect(loose).toContain("shown");
  expect(loose).toMatch(/not fully recorded: '.*recordings' is not a folder/);
});
