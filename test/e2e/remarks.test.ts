/** Tags, names and notes: what is said of a session while it runs, and afterwards. */
import { describe, expect, test } from "bun:test";
import { expectFailure } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { id, leave, life, lines } from "../support/spool.ts";

/** Each command is tried where the session is brought in by itself, and by a server. */
const SETTINGS = ["alone", "with a server"];

async function ended(setting: string) {
  const sandbox = new Sandbox();
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
  const server = setting === "alone" ? null : await TestServer.start(sandbox);
  return {
    sandbox,
    async [Symbol.asyncDispose]() {
      await server?.[Symbol.asyncDispose]();
      sandbox[Symbol.dispose]();
    },
  };
}

/** What it says inside a wrapped shell, by the words of one command line. */
async function inside(sandbox: Sandbox, flags: string[], script: string) {
  const run = await sandbox.run(["shell", ...flags, "--", "sh", "-c", script]);
  expect([run.exitCode, run.stdout, run.stderr]).toEqual([0, "", ""]);
  return sandbox.only();
}

async function refused(cases: [string[], number, RegExp][]): Promise<void> {
  using sandbox = new Sandbox();
  for (const [args, status, sentence] of cases)
    expectFailure(await sandbox.run(args), status, sentence);
}

describe("tag", () => {
  test("changes the tags of the session around it", async () => {
    using sandbox = new Sandbox();
    const flags = ["--tag", "test", "--tag", "kept"];
    const script = `${BINARY} tag +prod -test && ${BINARY} tag -none +a`;
    expect(await inside(sandbox, flags, script)).toMatchObject({
      tags: ["kept", "a", "prod"],
    });
  });

  test.each(SETTINGS)("changes those of another, %s", async (setting) => {
    await using place = await ended(setting);
    const { sandbox } = place;
    for (const words of [
      ["+prod", "-gone"],
      ["+x", "-prod"],
    ]) {
      const run = await sandbox.run(["tag", "00000001", ...words]);
      expect([run.exitCode, run.stderr]).toEqual([0, ""]);
    }
    expect(await sandbox.only()).toMatchObject({ status: "lost", tags: ["x"] });
  });

  test("says what is wrong", () =>
    refused([
      [["tag"], 64, /tag needs \+TAG or -TAG/],
      [["tag", "00000001"], 64, /tag needs \+TAG or -TAG/],
      [["tag", "00000001", "prod"], 64, /takes \+TAG or -TAG, not 'prod'/],
      [["tag", "+a", "-a"], 64, /'a' is to be added and removed/],
      [["tag", "+a"], 64, /we are in no recorded session/],
      [["tag", "", "+a"], 64, /the session's id is empty/],
      [["tag", "nobody", "+a"], 1, /no session 'nobody'/],
    ]));
});

describe("rename", () => {
  test("names the session around it, whatever it was called", async () => {
    using sandbox = new Sandbox();
    const script = `${BINARY} rename 'night shift'`;
    expect(await inside(sandbox, ["--name", "day"], script)).toMatchObject({
      name: "night shift",
    });
  });

  test.each(SETTINGS)(
    "names another, which is found by it, %s",
    async (setting) => {
      await using place = await ended(setting);
      const { sandbox } = place;
      for (const words of [
        ["00000001", "first"],
        ["first", "second"],
      ]) {
        const run = await sandbox.run(["rename", ...words]);
        expect([run.exitCode, run.stderr]).toEqual([0, ""]);
      }
      const [row, ...more] = await sandbox.list("--name", "second");
      expect([row, more]).toMatchObject([
        { session_id: id(1), status: "lost" },
        [],
      ]);
    },
  );

  test("says what is wrong", () =>
    refused([
      [["rename"], 64, /rename needs a name/],
      [["rename", "x", ""], 64, /rename needs a name/],
      [["rename", "x"], 64, /we are in no recorded session/],
      [["rename", "", "x"], 64, /the session's id is empty/],
      [["rename", "nobody", "x"], 1, /no session 'nobody'/],
      [["rename", "a", "b", "c"], 64, /rename takes no word 'c'/],
    ]));
});

describe("note", () => {
  test("stands on the session around it, oldest first", async () => {
    using sandbox = new Sandbox();
    const script = `${BINARY} note 'one thing' && ${BINARY} note 'another
line'`;
    await inside(sandbox, [], script);
    const { stdout } = await sandbox.run(["show-session"]);
    expect(stdout).toMatch(
      /^notes:\n {2}\S+ one thing\n {2}\S+ another\\nline$/m,
    );
    const { stdout: json } = await sandbox.run(["show-session", "--json"]);
    expect(JSON.parse(json)).toMatchObject({
      notes: [
        { note: "one thing", reporter: "spool" },
        { note: "another\nline" },
      ],
    });
  });

  test.each(SETTINGS)(
    "stands on another that has ended, %s",
    async (setting) => {
      await using place = await ended(setting);
      const { sandbox } = place;
      const run = await sandbox.run(["note", "00000001", "seen"]);
      expect([run.exitCode, run.stderr]).toEqual([0, ""]);
      const { stdout } = await sandbox.run(["show-session", "00000001"]);
      expect(stdout).toMatch(/^status: +lost$[^]*^notes:\n {2}\S+ seen$/m);
    },
  );

  test("a secret in it, in a tag or a name comes to no file", async () => {
    using sandbox = new Sandbox();
    const secret = ["hunter", "2", "hunter", "2"].join("");
    const text = `mysql -uroot -p${secret} db_password=${secret}`;
    const run = await sandbox.run([
      ...["shell", "--", "sh", "-c"],
      `${BINARY} note '${text}'; ${BINARY} rename '${text}'; ${BINARY} tag '+${text}'`,
    ]);
    expect(run.stderr.match(/a secret was taken out of it/g)).toHaveLength(3);
    await sandbox.only();
    const found = await sandbox.command(["grep", "-rlF", secret, sandbox.data]);
    expect([found.exitCode, found.stdout]).toEqual([1, ""]);
  });

  test("says what is wrong", () =>
    refused([
      [["note"], 64, /note needs a text/],
      [["note", "x", ""], 64, /note needs a text/],
      [["note", "x"], 64, /we are in no recorded session/],
      [["note", "nobody", "x"], 1, /no session 'nobody'/],
      [["note", "a", "b", "c"], 64, /note takes no word 'c'/],
      [["note", "x".repeat(70_000)], 64, /at most 65536 are recorded/],
    ]));
});
