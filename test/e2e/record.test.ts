/** What a terminal shows is recorded, byte for byte, and no shell waits or ends for it. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configure } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { readerOf } from "../support/recording.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";

const RECORD = [BINARY, "shell", "--quiet", "--record", "--"];

function prepared(): Sandbox {
  const sandbox = new Sandbox();
  writeFileSync(
    join(sandbox.home, ".bashrc"),
    "PS1='<\\#>$ '\nunset HISTFILE\n",
  );
  return sandbox;
}

/** The one recording: what was shown in it, and its other records. */
function recorded(sandbox: Sandbox) {
  const folder = join(sandbox.data, "recordings");
  const [name] = readdirSync(folder);
  const file = readFileSync(join(folder, name!));
  const reader = readerOf(file);
  const damage = { torn_bytes: 0, damaged_bytes: 0 };
  const chunks = [...reader.chunks(reader.first, 0, damage)];
  const entries = chunks.flatMap((chunk) => chunk.entries);
  expect(damage.damaged_bytes).toBe(0);
  const shown = Buffer.concat(
    entries.flatMap(({ kind, bytes }) => (kind === "o" ? [bytes] : [])),
  );
  const { torn_bytes } = damage;
  const { header } = reader;
  return { header, entries, shown, torn_bytes, bytes: file.length };
}

test("every byte that a program shows is recorded as it was shown, whatever it is", async () => {
  using sandbox = prepared();
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const bytes = Buffer.concat(Array.from({ length: 40 }, () => all));
  writeFileSync(join(sandbox.home, "bytes"), bytes);
  const raw = ["sh", "-c", "stty raw; cat bytes; exit 9"];
  await using pty = new Pty(sandbox, [...RECORD, ...raw]);
  expect((await pty.ended()).code).toBe(9);
  const { shown, header, torn_bytes } = recorded(sandbox);
  expect(shown.equals(bytes)).toBe(true);
  expect([header.columns, header.rows, torn_bytes]).toEqual([200, 50, 0]);
  const session = await sandbox.only();
  expect(session.exit_code).toBe(9);
  expect(session.metadata["recording"]).toMatchObject({
    ...{ omitted_bytes: 0, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
  });
});

test("what is recorded is what was on the screen; what is typed unseen is nowhere", async () => {
  using sandbox = prepared();
  await using pty = new Pty(sandbox, [...RECORD, "bash"]);
  await pty.expect(/<1>\$ $/);
  const hidden = crypto.randomUUID();
  pty.line("read -sp 'Password: ' x; echo; echo ${#x}");
  await pty.expect(/^Password: $/m);
  pty.line(hidden);
  await pty.expect(/<2>\$ $/);
  const secret = `${crypto.randomUUID()}Zk9`;
  pty.line(`export API_TOKEN=${secret}`);
  await pty.expect(/<3>\$ $/);
  for (const letter of `export OTHER_TOKEN=${secret}`) {
    pty.type(letter);
    await pty.expect(letter.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  }
  pty.type("\r");
  await pty.expect(/<4>\$ $/);
  pty.line("stty size");
  await pty.expect(/50 200\s+<5>\$ $/);
  pty.resize(120, 40);
  pty.line("stty size");
  await pty.expect(/40 120\s+<6>\$ $/);
  pty.line("sh -c 'echo up; exec sleep 100'");
  await pty.expect(/^up\r/m);
  pty.type("\x03");
  await pty.expect(/<7>\$ $/);
  pty.line("exit 4");
  expect((await pty.ended()).code).toBe(4);
  const { shown, entries } = recorded(sandbox);
  const hide = (text: string) =>
    text.replaceAll(secret, (all) => "*".repeat(all.length));
  expect(shown.toString()).toBe(hide(pty.raw()));
  expect(
    entries.flatMap(({ kind, bytes }) =>
      kind === "r" ? [`${Buffer.from(bytes)}`] : [],
    ),
  ).toEqual(["120x40"]);
  const found = await sandbox.command([
    "grep",
    "-rlE",
    `${secret}|${hidden}`,
    sandbox.home,
  ]);
  expect(found.stdout).toBe("");
});

test("a wrapper that is killed leaves all that was shown", async () => {
  using sandbox = prepared();
  await using pty = new Pty(sandbox, [...RECORD, "bash"]);
  await pty.expect(/<1>\$ $/);
  pty.line("seq 20000");
  await pty.expect(/<2>\$ $/);
  await pty.asleep();
  pty.child.kill("SIGKILL");
  await pty.child.exited;
  await pty.until(
    "its recording",
    () =>
      existsSync(join(sandbox.data, "recordings")) &&
      recorded(sandbox).shown.toString().endsWith("<2>$ "),
  );
  expect(recorded(sandbox).shown.toString()).toContain("\n20000\r\n");
  await sandbox.list();
});

test("past its size a recording says what it leaves out, and the shell goes on", async () => {
  using sandbox = prepared();
  configure(sandbox, "recordings: {session_bytes: 65536}");
  const noise = "head -c 3000000 /dev/urandom | base64; echo over; exit 6";
  await using pty = new Pty(sandbox, [...RECORD, "sh", "-c", noise]);
  await pty.expect("over");
  expect((await pty.ended()).code).toBe(6);
  const { bytes } = recorded(sandbox);
  expect(bytes).toBeLessThanOrEqual(65_536);
  const { recording } = (await sandbox.only()).metadata as {
    recording: { omitted_bytes: number };
  };
  expect(recording.omitted_bytes).toBeGreaterThan(2_000_000);
});
