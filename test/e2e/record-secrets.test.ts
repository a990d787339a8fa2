/** What was secret at a terminal that was recorded is in no file, packed or not. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { wordsLeft } from "../support/everywhere.ts";
import { needsRoot } from "../support/host.ts";
import { PasswordUser } from "../support/password-user.ts";
import { PLANTED } from "../support/planted.ts";
import { Pty } from "../support/pty.ts";
import { RECORD, prepared, recorded } from "../support/recorded-screen.ts";
import { Random } from "../support/random.ts";
import { gone, recorderOf, until } from "../support/wait.ts";

/** The process that writes the recording, which a busy machine lets write on when its wrapper is gone. */
const recorder = (pty: Pty): Promise<number> =>
  until("its recorder", () => recorderOf(pty.pid));

/** A password that nothing else is like. */
const password = () => `Pw${crypto.randomUUID().slice(0, 13)}`;

test("what is typed unseen is in no file: read -s, getpass", async () => {
  using sandbox = prepared();
  const [first, second] = [password(), password()];
  await using pty = new Pty(sandbox, [...RECORD, "bash"]);
  const writer = await recorder(pty);
  await pty.expect(/<1>\$ $/);
  pty.line("read -s -p 'Word: ' x; echo; echo ${#x}");
  await pty.expect(/^Word: $/m);
  pty.line(first);
  await pty.expect(/^15\r\n<2>\$ $/m);
  pty.line("python3 -c 'import getpass; print(len(getpass.getpass()))'");
  await pty.expect(/^Password: $/m);
  pty.line(second);
  await pty.expect(/^15\r\n<3>\$ $/m);
  pty.line("exit");
  expect((await pty.ended()).code).toBe(0);
  await gone(writer);
  const { shown } = recorded(sandbox);
  expect(shown.toString()).toBe(pty.raw());
  await sandbox.list();
  expect(await wordsLeft(sandbox, [first, second])).toEqual([]);
});

test.skipIf(!needsRoot("nsenter", "sudo", "setpriv", "ssh", "openssl"))(
  "what is typed unseen is in no file: sudo, ssh to this host",
  async () => {
    using sandbox = prepared();
    const side = mkdtempSync(join(tmpdir(), "sb-user-"));
    try {
      await using user = await PasswordUser.create(side, password());
      const port = await user.listen(sandbox);
      const command = [...user.enter, ...RECORD, "bash"];
      await using pty = new Pty(sandbox, command);
      await pty.expect(/<1>\$ $/);
      const as = `setpriv --reuid ${user.uid} --regid ${user.uid} --clear-groups`;
      pty.line(`${as} sudo -k -p 'Word of %u: ' sh -c 'echo uid $(id -u)'`);
      await pty.expect(/^Word of sbuser: $/m);
      pty.line(user.password);
      await pty.expect(/^uid 0\r\n<2>\$ $/m);
      const options =
        "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null";
      pty.line(
        `ssh ${options} -p ${port} sbuser@127.0.0.1 'echo uid $(id -u)'`,
      );
      await pty.expect(/sbuser@127.0.0.1's password: $/m);
      pty.line(user.password);
      await pty.expect(/^uid 61234\r\n/m);
      await pty.expect(/<3>\$ $/);
      pty.line("exit");
      expect((await pty.ended()).code).toBe(0);
      await sandbox.list();
      expect(await wordsLeft(sandbox, [user.password])).toEqual([]);
    } finally {
      rmSync(side, { recursive: true, force: true });
    }
  },
);

/** Each line in pieces of any length, in colours that begin anywhere. */
const SHOW = `
import json, os, random, sys
random.seed(int(sys.argv[2]))
for line in json.load(open(sys.argv[1])):
    data = line.encode()
    while data:
        n = random.randint(1, 12)
        colour = random.choice([b"", b"", b"\\x1b[1;3%dm" % random.randint(1, 7)])
        os.write(1, colour + data[:n])
        data = data[n:]
    os.write(1, b"\\x1b[0m\\n")
`;

test("two hundred secrets that are shown are in no file", async () => {
  using sandbox = prepared();
  const texts = join(sandbox.home, "texts.json");
  const script = join(sandbox.home, "show.py");
  const all = PLANTED.map(({ text }) => text);
  const pretty = all.map((_, i) => `  "password_${i % 90}": "${password()}",`);
  const key = Array.from({ length: 12 }, () =>
    Buffer.from(crypto.getRandomValues(new Uint8Array(48))).toString("base64"),
  );
  const pem = (edge: string) => `-----${edge} RSA PRIVATE KEY-----`;
  writeFileSync(
    texts,
    JSON.stringify([
      ...all,
      "{",
      ...pretty,
      "}",
      pem("BEGIN"),
      ...key,
      pem("END"),
    ]),
  );
  writeFileSync(script, SHOW);
  const { seed } = Random.seeded("record-secrets");
  // Not before its recorder is known.
  const go = 'until [ -e go ]; do sleep 0.02; done; exec python3 "$@"';
  const show = ["sh", "-c", go, "sh", script, texts, `${seed}`];
  await using pty = new Pty(sandbox, [...RECORD, ...show], { columns: 80 });
  const writer = await recorder(pty);
  writeFileSync(join(sandbox.home, "go"), "");
  expect((await pty.ended()).code).toBe(0);
  await gone(writer);
  await sandbox.list();
  rmSync(texts);
  const words = [
    ...PLANTED.map(({ secret }) => secret).filter((word) => word.length > 5),
    ...pretty.map((line) => line.split('"')[3]!),
    ...key,
  ];
  expect(words.length).toBeGreaterThan(400);
  expect(await wordsLeft(sandbox, words)).toEqual([]);
  // It is there, but for them.
  expect(recorded(sandbox).shown.toString()).toContain("password_");
});
