/** What a terminal shows is recorded, byte for byte, and no shell waits or ends for it. */
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import {
  RECORD,
  begun,
  prepared,
  recorded,
} from "../support/recorded-screen.ts";
import { needs } from "../support/tools.ts";
import { recorderOf, gone } from "../support/wait.ts";

/** How a program begins: at its end its recorder, which is waited for 5 s, is up. */
const ONCE_RECORDED = `until [ -s "$HOME/.local/share/session-buddy/recordings/$SESSION_BUDDY_SESSION_ID.rec" ]; do :; done\n`;

test("every byte that a program shows is recorded as it was shown, whatever it is", async () => {
  using sandbox = prepared();
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const bytes = Buffer.concat(Array.from({ length: 40 }, () => all));
  writeFileSync(join(sandbox.home, "bytes"), bytes);
  const raw = ["sh", "-c", `${ONCE_RECORDED}stty raw; cat bytes; exit 9`];
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

/** Of every kind: colours, other alphabets, half letters, NUL, a screen that is drawn on. */
const ALL_KINDS = `
printf 'plain\\tand \\033[1;31mred\\033[0m, gr\\303\\274n, \\344\\270\\255, \\360\\237\\230\\200\\n'
printf 'half \\303 a letter, \\377\\376, \\000NUL\\000, \\302\\n'
printf '\\033]0;a title\\007\\033]8;;http://x\\033\\\\link\\033]8;;\\033\\\\\\n'
printf '\\033[?1049h\\033[2J\\033[5;70Hover the margin it goes\\033[?1049l'
for i in $(seq 300); do printf '\\rprogress %d%%' "$i"; done; echo
printf '%s\\b\\b\\bXYZ\\n' abcdef; printf '%080d\\n%0160d\\n' 1 2
seq -f 'a row of output, number %g' 3000
head -c 20000 "$0"; stty raw; cat "$0"; printf 'no end of a row'
exit 7
`;

test.skipIf(!needs("script"))(
  "what is recorded is what script(1) captures, byte for byte",
  async () => {
    using sandbox = prepared();
    const binary = join(sandbox.home, "bytes");
    const bytes = Buffer.from(
      Array.from({ length: 100_000 }, (_, i) => (i * 7 + (i >> 8) * 13) & 0xff),
    );
    writeFileSync(binary, bytes);
    const program = ["sh", "-c", ALL_KINDS, binary];
    const seen = ["sh", "-c", ONCE_RECORDED + ALL_KINDS, binary];
    const log = join(sandbox.home, "script.log");
    const quoted = program.map((word) => `'${word.replaceAll("'", "'\\''")}'`);
    const script = ["script", "-qec", quoted.join(" "), log];
    for (const command of [script, [...RECORD, ...seen]]) {
      await using pty = new Pty(sandbox, command, { columns: 80 });
      expect((await pty.ended()).code).toBe(7);
    }
    const captured = readFileSync(log);
    // It says when it began and ended in rows of its own.
    const from = captured.indexOf(10) + 1;
    const to = captured.lastIndexOf("\nScript done on ");
    const { shown } = recorded(sandbox);
    expect(shown.length).toBe(to - from);
    expect(shown.equals(captured.subarray(from, to))).toBe(true);
  },
);

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

test("a wrapper that is killed leaves what was shown", async () => {
  using sandbox = prepared();
  await using pty = new Pty(sandbox, [...RECORD, "bash"]);
  await pty.expect(/<1>\$ $/);
  pty.line("seq 20000");
  await pty.expect(/<2>\$ $/);
  const recorder = recorderOf(pty.pid)!;
  const has = () => recorded(sandbox).shown.includes("\n20000\r\n");
  await pty.until("its recording", () => begun(sandbox) && has());
  pty.child.kill("SIGKILL");
  await pty.child.exited;
  await gone(recorder);
  const { shown, torn_bytes } = recorded(sandbox);
  expect(pty.raw().startsWith(shown.toString())).toBe(true);
  expect([has(), torn_bytes]).toEqual([true, 0]);
  await sandbox.list();
});
