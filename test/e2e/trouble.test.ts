/**
 * Trouble with the recording is never the user's trouble: the shell runs, its
 * exit status is its own, and a person is told; except where the host's
 * administrator demands a record.
 */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  asUnknownUser,
  configure,
  etcWith,
  needsRoot,
  privately,
  runPrivately,
} from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";

const CHILD = `sh -c "echo out; echo err >&2; exit 7"`;
const AS_ALONE = { exitCode: 7, stdout: "out\n", stderr: "err\n" };

/** A kind of trouble: how the host gets it, and what a person is told. */
interface Trouble {
  name: string;
  /** Makes it, as a script; $DATA is the data folder. */
  script: string;
  banner: RegExp;
}

const TROUBLES: Trouble[] = [
  {
    name: "a full disk",
    script: `mkdir -p $DATA; mount -t tmpfs -o size=64k,mode=700 none $DATA
      cat /dev/zero > $DATA/fill 2>/dev/null || true`,
    banner: /✗ Disabled - the disk of '.*' is full \(free some space/,
  },
  {
    name: "no room for a record in a spool that exists",
    script: `mkdir -p $DATA; mount -t tmpfs -o size=64k,mode=700 none $DATA
      $SB shell -- true
      cat /dev/zero > $DATA/fill 2>/dev/null || true`,
    banner: /✗ Disabled - the disk of '.*' is full \(free some space/,
  },
  {
    name: "a read-only disk",
    script: `mkdir -p $DATA; mount -t tmpfs -o ro,mode=700 none $DATA`,
    banner: /✗ Disabled - '.*' cannot be written \(.*SESSION_BUDDY_DATA_DIR/,
  },
  {
    name: "another user's data folder",
    script: `mkdir -p $DATA; chown 12345 $DATA`,
    banner: /✗ Disabled - '.*' belongs to uid 12345, not to us \(chown it/,
  },
  {
    name: "a file for a folder",
    script: `mkdir -p $(dirname $DATA); touch $DATA`,
    banner: /✗ Disabled - '.*' is not a folder of its own/,
  },
  {
    name: "a link for the spool",
    script: `mkdir -p -m 700 $DATA; ln -s /tmp $DATA/spool`,
    banner: /✗ Disabled - '.*spool' is not a folder of its own/,
  },
];

const beginning = (sandbox: Sandbox, { script }: Trouble) =>
  `SB=${BINARY} DATA=${sandbox.data}\n${script}\n`;

test.each(TROUBLES)(
  "$name: silent in a script, told to a person, refused when strict",
  async (trouble) => {
    if (!needsRoot()) return;
    using sandbox = new Sandbox();
    const run = (words: string) =>
      runPrivately(sandbox, `${beginning(sandbox, trouble)} ${words}`);
    expect(await run(`$SB shell -- ${CHILD}`)).toMatchObject(AS_ALONE);
    await sandbox.command(["rm", "-rf", join(sandbox.home, ".local")]);

    const strict = await run(`$SB shell --audit strict -- ${CHILD}`);
    expect(strict).toMatchObject({ exitCode: 125, stdout: "" });
    expect(strict.stderr).toMatch(
      /^session-buddy: the session cannot be recorded and the audit is strict: [^\n]*'[^\n]* \(no shell without a record; mend [^\n]*\)\n$/,
    );
    expect(strict.stderr).not.toMatch(/\bE[A-Z]{3,}\b|\bfd \d/);
    await sandbox.command(["rm", "-rf", join(sandbox.home, ".local")]);

    const words = privately(
      `${beginning(sandbox, trouble)} exec $SB shell -- ${CHILD}`,
    );
    await using pty = new Pty(sandbox, words);
    await pty.expect(trouble.banner);
    await pty.expect("out");
    expect(await pty.ended()).toEqual({ code: 7, signal: null });
  },
);

test("a configuration that is broken is told, and what holds of it is used", async () => {
  using sandbox = new Sandbox();
  const file = configure(
    sandbox,
    "session: {banner: line, audit: very}\nbad: 1\n",
  );
  const quiet = await sandbox.command([
    "sh",
    "-c",
    `${BINARY} shell -- ${CHILD}`,
  ]);
  expect(quiet).toMatchObject(AS_ALONE);
  await using pty = new Pty(sandbox, [BINARY, "shell", "--", "echo", "ran"]);
  await pty.expect(`session-buddy: ${file}:1: session.audit takes strict or`);
  await pty.expect(`session-buddy: ${file}:2: bad is not a setting`);
  await pty.expect("Session Tracking: ✓ Enabled  echo-");
  await pty.expect("ran");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
  writeFileSync(file, "");
  expect(await sandbox.list()).toHaveLength(2);
});

test("a configuration that is not YAML at all, or cannot be read", async () => {
  using sandbox = new Sandbox();
  const file = configure(sandbox, "session: {\x1b[31m\n");
  const words = [BINARY, "shell", "--config", "/nowhere", "--", "echo", "ran"];
  await using pty = new Pty(sandbox, words);
  await pty.expect(`session-buddy: ${file}:`);
  await pty.expect("is not YAML");
  await pty.expect("session-buddy: /nowhere: cannot be read: ENOENT");
  await pty.expect("Session Tracking: ✓ Enabled");
  await pty.expect("ran");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
});

test("without a home the shell runs, says why it is not recorded, and strict refuses", async () => {
  if (!needsRoot("setpriv")) return;
  using sandbox = new Sandbox();
  const unknown = asUnknownUser(sandbox);
  const child = CHILD.replaceAll('"', '\\"');
  const run = (words: string) => runPrivately(sandbox, unknown(words));
  expect(await run(`eval "$SB shell -- ${child}"`)).toMatchObject(AS_ALONE);
  const strict = await run("$SB shell --audit strict -- true");
  expect(strict).toMatchObject({ exitCode: 125, stdout: "" });
  expect(strict.stderr).toContain("there is no home folder to keep it in");
  const words = privately(unknown("exec $SB shell -- echo ran"));
  await using pty = new Pty(sandbox, words);
  await pty.expect("HOME is not set");
  await pty.expect(
    "✗ Disabled - there is no home folder to keep it in (set HOME",
  );
  await pty.expect("ran");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
});

test("what the host demands, no user turns off", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  const etc = etcWith(sandbox, "session: {audit: strict}\n");
  configure(sandbox, "session: {audit: best-effort, enabled: true}\n");
  const named = join(sandbox.home, "named.yaml");
  writeFileSync(named, "session: {audit: best-effort}\n");
  const script = `${etc} SB=${BINARY}
    try() { status=0; "$@" || status=$?; echo "status $status"; }
    flags="--audit best-effort --config ${named} --quiet"
    try $SB shell $flags -- echo recorded
    try env SESSION_BUDDY_SESSION_ENABLED=false $SB shell $flags -- echo disabled
    try env SESSION_BUDDY_DATA_DIR=/proc/none $SB shell $flags -- echo nowhere
    echo 'session: {enabled: false}' > ${named}
    try $SB shell $flags -- echo off`;
  const run = await runPrivately(sandbox, script);
  expect(run.stdout).toBe(
    "recorded\nstatus 0\nstatus 125\nstatus 125\nstatus 125\n",
  );
  const reasons = run.stderr.trimEnd().split("\n");
  expect(reasons).toHaveLength(3);
  for (const reason of reasons)
    expect(reason).toContain("cannot be recorded and the audit is strict: ");
  expect(reasons[0]).toContain("SESSION_BUDDY_SESSION_ENABLED turns it off");
  expect(reasons[2]).toContain("session.enabled is false");
  expect((await sandbox.only()).component_name).toBe("echo");
});

test("without a home, what the host demands holds too", async () => {
  if (!needsRoot("setpriv")) return;
  using sandbox = new Sandbox();
  const etc = etcWith(sandbox, "session: {audit: strict}\n");
  const shell = asUnknownUser(sandbox)("$SB shell -- echo ran");
  const run = await runPrivately(sandbox, `${etc}${shell}`);
  expect(run).toMatchObject({ exitCode: 125, stdout: "" });
  expect(run.stderr).toContain("the audit is strict: there is no home folder");
});

test("a disk that fills while the shell runs leaves it alone, and a person is told", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  mkdirSync(sandbox.data, { recursive: true });
  // A page of the disk is left whole or not at all: the record is padded so
  // that its end needs a new one.
  const child = join(sandbox.home, "child");
  writeFileSync(
    child,
    `file=$(echo ${sandbox.data}/spool/*/$SESSION_BUDDY_SESSION_ID.ndjson)
    until grep -q '"annotation"' $file; do :; done
    stat -c %s $file > ${sandbox.home}/size
    cat /dev/zero > ${sandbox.data}/fill 2>/dev/null
    echo filled; exit 7`,
  );
  const script = `mount -t tmpfs -o size=64k,mode=700 none ${sandbox.data}
    shell() { ${BINARY} shell --meta pad=$1 -- bash ${child}; }
    shell x || rm ${sandbox.data}/fill
    pad=$((8192 - 100 - $(cat ${sandbox.home}/size)))
    echo again; shell $(head -c $pad /dev/zero | tr '\\0' x)`;
  await using pty = new Pty(sandbox, privately(script));
  await pty.expect("again");
  await pty.expect("✓ Enabled");
  await pty.expect("filled");
  await pty.expect(
    /session-buddy: this session is not fully recorded: the disk of '.*' is full/,
  );
  expect(await pty.ended()).toEqual({ code: 7, signal: null });
});
