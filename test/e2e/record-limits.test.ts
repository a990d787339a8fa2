/** How large recordings become, alone and together; shells go on all the same. */
import { recorderOf, until } from "../support/wait.ts";
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  existsSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { configure } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import {
  RECORD,
  begun,
  played,
  prepared,
  recorded,
  recordings,
} from "../support/recorded-screen.ts";
import { BINARY, type Sandbox } from "../support/sandbox.ts";

/** What does not shrink much, and is no secret. */
const noise = (bytes: number) =>
  `head -c ${bytes} /dev/urandom | od -An -v -tu1`;

interface Facts {
  bytes: number;
  omitted_bytes: number;
  sha256: string;
  trouble?: string;
}

const factsOf = ({ metadata }: { metadata: object }) =>
  (metadata as { recording: Facts }).recording;
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

/** What the session's end says, its records and its file are of one mind. */
function expectAgreed(
  { bytes, omitted_bytes, sha256 }: Facts,
  { file, omitted, torn_bytes }: ReturnType<typeof played>,
): void {
  expect(torn_bytes).toBe(0);
  expect(bytes).toBe(file.length);
  expect(sha256).toBe(createHash("sha256").update(file).digest("hex"));
  expect(sum(omitted)).toBe(omitted_bytes);
}

test("past its size a recording says what it leaves out, and the shell goes on", async () => {
  using sandbox = prepared();
  configure(sandbox, "recordings: {session_bytes: 65536}");
  await using pty = new Pty(sandbox, [...RECORD, "bash"]);
  await pty.expect(/<1>\$ $/);
  await pty.until("its recording", () => begun(sandbox));
  pty.line(noise(200_000));
  await pty.expect(/<2>\$ $/);
  // The first time it is said at once: a recorder that is killed says it, too.
  await pty.until("its record", () => recorded(sandbox).omitted.length === 1);
  pty.line("echo $((6 * 7)) is beyond it; exit 6");
  await pty.expect("42 is beyond it");
  expect((await pty.ended()).code).toBe(6);
  const played = recorded(sandbox);
  expect(played.file.length).toBeLessThanOrEqual(65_536);
  const facts = factsOf(await sandbox.only());
  expectAgreed(facts, played);
  expect(played.omitted.length).toBe(2);
  const all = Buffer.byteLength(pty.raw());
  expect(played.shown.length + facts.omitted_bytes).toBe(all);
  expect(facts.trouble).toBe(
    "its recording is as large as recordings.session_bytes lets it be, 65536 bytes",
  );
});

const MAX_BYTES = 1024 * 1024;

/** How many recordings have begun, but for one of before. */
const count = (sandbox: Sandbox, before = ""): number =>
  existsSync(join(sandbox.data, "recordings"))
    ? recordings(sandbox.data).filter(
        (name) => name !== before && begun(sandbox, name),
      ).length
    : 0;

function total(sandbox: Sandbox): number {
  const folder = join(sandbox.data, "recordings");
  return sum(
    readdirSync(folder).map((name) => statSync(join(folder, name)).size),
  );
}

test("several that record at once share what all may have, and each goes on", async () => {
  using sandbox = prepared();
  configure(sandbox, `recordings: {max_bytes: ${MAX_BYTES}}`);
  const script = `echo ready; read go; ${noise(300_000)}; ${noise(300_000)}; echo over; exit 7`;
  const ptys = Array.from(
    { length: 4 },
    () => new Pty(sandbox, [...RECORD, "sh", "-c", script]),
  );
  try {
    await until("their recordings", () => count(sandbox) === ptys.length);
    for (const pty of ptys) {
      await pty.expect("ready");
      pty.line("");
    }
    for (const pty of ptys) {
      await pty.expect("over");
      expect((await pty.ended()).code).toBe(7);
    }
  } finally {
    for (const pty of ptys) await pty[Symbol.asyncDispose]();
  }
  const sessions = await sandbox.list();
  expect(sessions.length).toBe(4);
  for (const session of sessions) {
    const path = join(sandbox.data, "recordings", `${session.session_id}.rec`);
    expectAgreed(factsOf(session), played(path));
  }
  // Each may say in so many bytes what it is, and what it leaves out.
  expect(total(sandbox)).toBeLessThanOrEqual(MAX_BYTES + 4 * 512);
  expect(total(sandbox)).toBeGreaterThan(MAX_BYTES / 2);
  expect(
    sum(sessions.map((one) => factsOf(one).omitted_bytes)),
  ).toBeGreaterThan(2_000_000);
});

test("an older recording goes for one that is made", async () => {
  using sandbox = prepared();
  configure(sandbox, `recordings: {max_bytes: ${MAX_BYTES}}`);
  const record = async (bytes: number, before?: string) => {
    const script = `echo ready; read go; ${noise(bytes)}`;
    await using pty = new Pty(sandbox, [...RECORD, "sh", "-c", script]);
    await pty.until("its recording", () => count(sandbox, before) === 1);
    await pty.expect("ready");
    pty.line("");
    expect((await pty.ended()).code).toBe(0);
    await sandbox.list();
    return recordings(sandbox.data);
  };
  const [first] = await record(500_000);
  const left = await record(600_000, first);
  expect(left.length).toBe(1);
  expect(left).not.toContain(first);
  const facts = (await sandbox.list()).map(factsOf);
  expect(facts.map(({ omitted_bytes }) => omitted_bytes)).toEqual([0, 0]);
});

test("what is in the way of a recording stays as it is, and the shell runs", async () => {
  using sandbox = prepared();
  const folder = join(sandbox.data, "recordings");
  await sandbox.command(["mkdir", "-p", sandbox.data]);
  await sandbox.command(["chmod", "700", sandbox.data]);
  writeFileSync(folder, "mine");
  const script = ["sh", "-c", "echo on; exit 3"];
  await using pty = new Pty(sandbox, [
    BINARY,
    "shell",
    "--record",
    "--",
    ...script,
  ]);
  await pty.expect("on");
  expect((await pty.ended()).code).toBe(3);
  expect(pty.text()).toMatch(
    /this session is not fully recorded: '.*recordings' is not a folder of its own/,
  );
  const session = await sandbox.only();
  expect(factsOf(session).trouble).toContain("is not a folder of its own");
});

test("nobody else can look into the recordings, and limits of the user's are not theirs", async () => {
  using sandbox = prepared();
  const run = `umask 0; ulimit -S -f 8; ulimit -S -n 12; exec ${RECORD.join(" ")} sh -c 'ulimit -S -f; read go; ${noise(100_000)}; echo over'`;
  await using pty = new Pty(sandbox, ["sh", "-c", run]);
  await pty.expect(/^8\r/m);
  await pty.until("its recording", () => count(sandbox) === 1);
  pty.line("");
  await pty.expect("over");
  expect((await pty.ended()).code).toBe(0);
  const folder = join(sandbox.data, "recordings");
  const [name] = recordings(sandbox.data);
  const modes = [folder, join(folder, name!)].map(
    (path) => statSync(path).mode & 0o777,
  );
  expect(modes).toEqual([0o700, 0o600]);
  const { file, omitted, shown } = recorded(sandbox);
  expect(file.length).toBeGreaterThan(8 * 1024);
  expect(omitted).toEqual([]);
  expect(shown.toString()).toBe(pty.raw());
});

test("a shell goes on while the process that records it stands still", async () => {
  using sandbox = prepared();
  await using pty = new Pty(sandbox, [...RECORD, "bash"]);
  await pty.expect(/<1>\$ $/);
  const recorder = await pty.until("its recorder", () => recorderOf(pty.pid));
  await pty.until("its recording", () => begun(sandbox));
  process.kill(recorder, "SIGSTOP");
  // More than may wait for it.
  pty.line(noise(3_500_000));
  await pty.expect(/<2>\$ $/);
  pty.line("echo still $((6 * 7))");
  await pty.expect("still 42");
  await pty.expect(/<3>\$ $/);
  process.kill(recorder, "SIGCONT");
  await pty.until("what it left out", () => {
    pty.type(" \b");
    return recorded(sandbox).omitted.length === 1;
  });
  pty.line("exit 8");
  expect((await pty.ended()).code).toBe(8);
  const facts = factsOf(await sandbox.only());
  const played = recorded(sandbox);
  expectAgreed(facts, played);
  expect(facts.omitted_bytes).toBeGreaterThan(1_000_000);
  expect(played.shown.length + facts.omitted_bytes).toBe(
    Buffer.byteLength(pty.raw()),
  );
});

test("no recording is written over, and through no link", async () => {
  using sandbox = prepared();
  const id = "bash-20260206-123456-1a2b3c4d";
  const record = (session_id: string) =>
    sandbox.run([
      ...["record-screen", sandbox.data, session_id, "2026-02-06T12:34:56Z"],
      ...["80", "24", "xterm", "100", "00"],
    ]);
  expect((await record(id)).stdout).toContain('"omitted_bytes":0');
  const path = join(sandbox.data, "recordings", `${id}.rec`);
  const before = readFileSync(path);
  const again = await record(id);
  expect(again.exitCode).toBe(1);
  expect(again.stdout).toContain(`'${path}' is there already`);
  expect(readFileSync(path).equals(before)).toBe(true);
  const other = id.replace("1a2b", "9f8e");
  const mine = join(sandbox.home, "mine");
  writeFileSync(mine, "mine");
  symlinkSync(mine, path.replace(id, other));
  expect((await record(other)).stdout).toContain("is there already");
  expect(readFileSync(mine, "utf8")).toBe("mine");
});
