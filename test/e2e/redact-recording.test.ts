/**
 * What a terminal showed is removed with the texts of its session, or alone: here, at
 * the server that it went to, and for good.
 */
import { expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { wordsLeft } from "../support/everywhere.ts";
import { FarHost } from "../support/far.ts";
import { expectFailure } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

/** No rule would take it for a secret. */
const WORD = ["un", "forgettable", "7"].join("");

/** A shell that is told to show it, without its being in a command of any history. */
async function recorded(sandbox: Sandbox): Promise<string> {
  writeFileSync(join(sandbox.home, ".bashrc"), "unset HISTFILE\n");
  const argv = [BINARY, "shell", "--quiet", "--record", "--", "bash"];
  await using pty = new Pty(sandbox, argv);
  pty.line("PS1='<\\#>$ '; echo un'forgettable'7 | tr a-z a-z");
  await pty.expect(WORD);
  pty.line("exit");
  await pty.ended();
  return (await sandbox.only()).session_id;
}

const shows = (sandbox: Sandbox, id: string) =>
  existsSync(join(sandbox.data, "recordings", `${id}.rec`));

interface Removal {
  event: { recording?: boolean; redacted_by?: string[] };
}

async function removalsOf(sandbox: Sandbox, id: string) {
  const words = [
    "list-events",
    id,
    "--kind",
    "redaction",
    "--format",
    "ndjson",
  ];
  const { stdout } = await sandbox.run(words);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as Removal).event);
}

test.each(["alone", "with a server"])(
  "%s: --recording takes the recording alone, and says so to who asks later",
  async (how) => {
    using sandbox = new Sandbox();
    await using _ = how === "alone" ? null : await TestServer.start(sandbox);
    const id = await recorded(sandbox);
    expect(shows(sandbox, id)).toBe(true);
    const none = await sandbox.run(["redact", "--recording", id]);
    expect(none.exitCode).toBe(64);
    expect(none.stderr).toContain("--yes");
    expect(shows(sandbox, id)).toBe(true);
    const done = await sandbox.run(["redact", "--recording", "--yes", id]);
    expect([done.exitCode, done.stderr]).toEqual([0, ""]);
    expect(done.stdout).toMatch(/^recording: removed \(\d+/m);
    expect(shows(sandbox, id)).toBe(false);
    const commands = await sandbox.run(["list-commands", id]);
    expect(commands.stdout).toContain("forgettable");
    const [removal, ...more] = await removalsOf(sandbox, id);
    expect(more).toEqual([]);
    expect(removal).toMatchObject({
      recording: true,
      redacted_by: [expect.stringMatching(/^user:/)],
    });
    const listed = await sandbox.run(["list-events", id]);
    expect(listed.stdout).toMatch(/recording\\x20removed,\\x20user:/);
    expectFailure(
      await sandbox.run(["replay", id]),
      1,
      /the recording of session '\S+' was removed on 20\S+Z by user:\w+ \(see: /,
    );
    // A second time it is gone already, and one trace is enough.
    const again = await sandbox.run(["redact", "--recording", "--yes", id]);
    expect(again.exitCode).toBe(0);
    expect(again.stdout).toContain("recording: none was here");
    expect(await removalsOf(sandbox, id)).toHaveLength(1);
  },
  400_000,
);

test("with the text of a command, or with all, the recording goes, which shows it", async () => {
  for (const how of [["--command", "1"], []]) {
    using sandbox = new Sandbox();
    const id = await recorded(sandbox);
    const argv = [BINARY, "redact", ...how, id];
    await using pty = new Pty(sandbox, argv);
    await pty.expect(/recording of its terminal.*Go on\? \(y\/N\)/s);
    expect(shows(sandbox, id)).toBe(true);
    pty.line("yes");
    await pty.ended();
    expect(shows(sandbox, id)).toBe(false);
    expect(await wordsLeft(sandbox, ["forgettable"])).toEqual([]);
  }
}, 400_000);

test("--recording and --command are not given together", async () => {
  using sandbox = new Sandbox();
  expectFailure(
    await sandbox.run(["redact", "--recording", "--command", "1", "x"]),
    64,
    /--command takes the recording along/,
  );
});

test("what was removed at the server is not taken from its host, which is told", async () => {
  await using hosts = await FarHost.start();
  const { near, far } = hosts;
  const id = await hosts.record("echo twice");
  hosts.onPiece = () => "cut";
  expect((await hosts.drain()).exitCode).toBe(2);
  hosts.onPiece = ({ offset }) => (offset > 0 ? "cut" : null);
  const done = await far.run(["redact", "--recording", "--yes", id]);
  expect(done.exitCode).toBe(0);
  hosts.onPiece = () => null;
  expect((await hosts.drain()).stderr).toMatch(
    /was removed, and is not taken again/,
  );
  expect(hosts.files(far)).toEqual([]);
  // Nor is it asked for again; and on its host it goes by the same command.
  const { length } = hosts.passed;
  expect((await hosts.drain()).stderr).toBe("");
  expect(hosts.passed.slice(length)).toEqual([]);
  const words = ["redact", "--recording", "--yes", id];
  const here = await near.run(words, { env: hosts.env() });
  expect(here.exitCode).toBe(1);
  expect(here.stdout).toMatch(/^recording: removed/m);
  expect(here.stdout).toMatch(
    /NOT DONE: the database is kept by the server at .*: on that host, run session-buddy redact/,
  );
  expect(hosts.recordings(near)).toEqual([]);
}, 400_000);
