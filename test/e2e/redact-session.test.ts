/**
 * What was recorded and should not have been: `redact ID` takes its texts out of every
 * file that we know, and leaves all else as it was.
 */
import { expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { annotation, end } from "../support/events.ts";
import { wordsLeft } from "../support/everywhere.ts";
import { configure, expectFailure } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { GONE, hook, id, leave, life, lines } from "../support/spool.ts";
import { start } from "../support/events.ts";

/** No rule would take it for a secret. */
const word = (n: number) => ["un", "forgettable", String(n), "x"].join("");
const WORDS = Array.from({ length: 9 }, (_, n) => word(n + 1));
const BEGAN = Date.parse("2026-02-06T12:35:00.000Z");
const at = (seconds: number) => BEGAN + seconds * 1_000;
const [ONE, TWO] = [4_194_000, 4_193_999];

/** A session with a text in each place, another beside it, and what cannot be read. */
function leaveSession(sandbox: Sandbox, n = 1): void {
  const [first, ...rest] = life(n);
  const said = {
    ...{ name: `named-${word(4)}`, reason: word(5), tags: [word(6)] },
    ...{ command: ["sh", word(7)], metadata: { ticket: word(8) } },
  };
  const events = [
    { ...first!, ...said },
    ...rest,
    annotation(2, { session_id: id(n), note: word(9) }),
    end(1_000, { session_id: id(n) }),
  ];
  leave(sandbox, `${id(n)}.ndjson`, lines(events));
  const shell = (pid: number, second: string) => [
    hook.header(pid, at(0)),
    hook.start(1, at(1), `echo "${word(1)}"\tand\nmore`),
    hook.end(1, at(2), 0),
    hook.start(2, at(3), second),
    hook.end(2, at(4), 1),
  ];
  leave(sandbox, `${id(n)}.${ONE}.commands`, shell(ONE, word(2)).join(""));
  leave(
    sandbox,
    `${id(n)}.${TWO}.commands`,
    [
      ...shell(TWO, "ls"),
      // As a full disk leaves it.
      `s\t3\t${at(5)}000\t/srv\t\ttorn ${word(3)}\n`,
    ].join(""),
  );
}

const OTHER = id(99);
function leaveOther(sandbox: Sandbox): void {
  leave(
    sandbox,
    `${OTHER}.ndjson`,
    lines([
      start({ session_id: OTHER, reason: "kept-reason", ...GONE }),
      end(9, { session_id: OTHER }),
    ]),
  );
  const text = [hook.header(9, at(0)), hook.start(1, at(1), "kept-text")];
  leave(sandbox, `${OTHER}.9.commands`, text.join(""));
}

async function redact(sandbox: Sandbox, ...args: string[]) {
  return sandbox.run(["redact", "--yes", ...args]);
}

test.each(["alone", "with a server"])(
  "%s: texts go from every file, one command's or all, and the rest stays",
  async (how) => {
    using sandbox = new Sandbox();
    // What is done rests there for as long as the test takes.
    configure(sandbox, "store: {keep_done: 1h}\n");
    leaveSession(sandbox);
    leaveOther(sandbox);
    // A copy of them that was recorded under another machine id.
    const foreign = join(sandbox.data, "spool", "0123456789abcdef");
    cpSync(sandbox.spool, foreign, { recursive: true });
    await sandbox.list();
    const backup = join(sandbox.home, "backup.duckdb");
    expect((await sandbox.run(["backup", backup])).exitCode).toBe(0);
    const restored = await sandbox.run(["restore", "--yes", backup]);
    expect(restored.exitCode).toBe(0);
    const before = await wordsLeft(sandbox, WORDS);
    for (const place of ["backup.duckdb", "sessions.duckdb.before-", "/done/"])
      expect(before.filter((found) => found.includes(place))).not.toBeEmpty();
    for (const place of ["quarantine/", "0123456789abcdef/"])
      expect(before.join("\n")).toContain(place);
    const sizes = () =>
      readdirSync(join(sandbox.data, "spool"), { recursive: true })
        .map((name) => `${name}`)
        .filter((name) => /\.(ndjson|commands)/.test(name))
        .map((name) => statSync(join(sandbox.data, "spool", name)))
        .map(({ size, ino, mtimeMs }) => [ino, size, mtimeMs]);

    const server = how === "alone" ? null : await TestServer.start(sandbox);
    const many = await redact(sandbox, id(1), "--command", "2");
    expectFailure(
      many,
      1,
      /2 shells of the session have a command 2 \(give the shell too: (4194000:2 of \S+, 4193999:2|4193999:2 of \S+, 4194000:2) of /,
    );
    const had = sizes();
    const one = await redact(sandbox, id(1), "--command", `${ONE}:2`);
    expect([one.exitCode, one.stderr]).toEqual([0, ""]);
    expect(one.stdout).toMatch(/^database: 1 events$/m);
    expect(one.stdout).toMatch(/^copy: .*backup\.duckdb \(1 events\)$/m);
    expect(one.stdout).toMatch(/^copy: .*\.before-\S+ \(1 events\)$/m);
    await server?.stop();
    expect(await wordsLeft(sandbox, [word(2)])).toEqual([]);
    const others = WORDS.filter((each) => each !== word(2));
    expect(await wordsLeft(sandbox, others)).toEqual(
      before.filter((found) => !found.endsWith(word(2))),
    );

    const again = how === "alone" ? null : await TestServer.start(sandbox);
    const all = await redact(sandbox, id(1).slice(0, -1));
    expect([all.exitCode, all.stderr]).toEqual([0, ""]);
    const twice = await redact(sandbox, id(1));
    expect([twice.exitCode, twice.stderr]).toEqual([0, ""]);
    expect(twice.stdout.replaceAll(/ \/\S+/g, "")).toBe(
      [
        `session: ${id(1)}`,
        "spool: nothing of it",
        "database: nothing was left of it",
        "copy: (nothing was left of it)",
        "copy: (nothing was left of it)\n",
      ].join("\n"),
    );
    await again?.stop();
    expect(await wordsLeft(sandbox, WORDS)).toEqual([]);
    const have = sizes();
    expect(have).not.toBeEmpty();
    expect(had).toEqual(expect.arrayContaining(have));

    const shown = await sandbox.run(["show-session", id(1)]);
    expect(shown.stdout.match(/\(removed\)$/gm)).toHaveLength(4);
    expect(shown.stdout).toMatch(/^command_count: +4$/m);
    expect(shown.stdout).toMatch(/^name: +-$/m);
    const events = await sandbox.run(["list-events", id(1)]);
    expect(events.stdout).toMatch(/\tredaction\t.*removed,\S*user:/);
    const other = await sandbox.run(["show-session", OTHER]);
    expect(other.stdout).toMatch(/^reason: +kept-reason$/m);
    expect(other.stdout).toContain("kept-text");
    // Nothing brings them back, an old backup neither.
    expect((await sandbox.run(["restore", "--yes", backup])).exitCode).toBe(0);
    await sandbox.list();
    expect(await wordsLeft(sandbox, WORDS)).toEqual([]);
  },
  400_000,
);

test.each(["alone", "with a server"])(
  "%s: a shell that lives goes on in its file, and what it does later is kept",
  async (how) => {
    using sandbox = new Sandbox();
    const rc = "PS1='READY> '; unset HISTFILE; HISTCONTROL=\n";
    writeFileSync(join(sandbox.home, ".bashrc"), rc);
    await using server =
      how === "alone" ? null : await TestServer.start(sandbox);
    await using pty = new Pty(sandbox, [BINARY, "shell", "bash"]);
    await pty.expect("READY> ");
    pty.line(`echo ${word(1)} | wc -c`);
    await pty.expect("READY> ");
    const session_id = (await sandbox.only()).session_id;
    const file = readdirSync(sandbox.spool).find((name) =>
      /\.commands$/.test(name),
    )!;
    const path = join(sandbox.spool, file);
    const { ino } = statSync(path);
    // Within its own session, as a person would who notices.
    pty.line(`${BINARY} redact ${session_id} --yes; echo status $?`);
    await pty.expect(/status 0\s/);
    await pty.expect("READY> ");
    pty.line("echo afterwards");
    await pty.expect(/^afterwards/m);
    await pty.expect("READY> ");
    expect(statSync(path).ino).toBe(ino);
    const lines = readFileSync(path, "latin1").trimEnd().split("\n");
    for (const line of lines) expect(line).toEndWith("\t.");
    pty.line("exit");
    await pty.ended();
    await sandbox.list();
    const { stdout } = await sandbox.run(["show-session", session_id]);
    expect(stdout).toContain("echo afterwards");
    expect(stdout).toContain("(removed)");
    await server?.stop();
    expect(await wordsLeft(sandbox, [word(1)])).toEqual([]);
  },
  400_000,
);

test("an archived session's texts go from its files, from blocks that are free, and by number", async () => {
  using sandbox = new Sandbox();
  leaveSession(sandbox);
  leaveOther(sandbox);
  await sandbox.list();
  for (const place of ["done", "quarantine"])
    rmSync(join(sandbox.spool, place), { recursive: true });
  const elsewhere = join(sandbox.home, "elsewhere");
  {
    // With a server the file of the database keeps its free blocks.
    await using server = await TestServer.start(sandbox);
    const words = ["archive-sessions", "--days=1", "--yes", "-o", elsewhere];
    const archived = await sandbox.run(words);
    expect([archived.exitCode, archived.stderr]).toEqual([0, ""]);
    await server.stop();
  }
  const had = await wordsLeft(sandbox, WORDS);
  expect(had).toContain(`elsewhere/events.parquet: ${word(1)}`);
  expect(had).toContain(`elsewhere/sessions.parquet: ${word(5)}`);
  const kept = async () =>
    (await wordsLeft(sandbox, ["kept-text", "kept-reason"])).filter((found) =>
      found.startsWith("elsewhere/"),
    );
  const other = await kept();

  const one = await redact(sandbox, id(1), "--command", `${ONE}:2`);
  expect([one.exitCode, one.stderr]).toEqual([0, ""]);
  expect(one.stdout).toMatch(/^archive: \S+elsewhere \(1 events\)$/m);
  const left = await wordsLeft(sandbox, WORDS);
  expect(left).not.toContain(`elsewhere/events.parquet: ${word(2)}`);
  expect(left).toContain(`elsewhere/events.parquet: ${word(1)}`);
  const all = await redact(sandbox, id(1));
  expect([all.exitCode, all.stderr]).toEqual([0, ""]);
  expect(await wordsLeft(sandbox, WORDS)).toEqual([]);
  expect(await kept()).toEqual(other);
  const twice = await redact(sandbox, id(1));
  expect(twice.stdout).toMatch(/elsewhere \(nothing was left of it\)$/m);
  expect(await wordsLeft(sandbox, ["user:root", "redaction"])).toContain(
    "elsewhere/events.parquet: redaction",
  );
  // One that went elsewhere since is named, and it is known when it is back.
  renameSync(elsewhere, `${elsewhere}2`);
  const away = await redact(sandbox, id(1));
  expect(away.exitCode).toBe(1);
  expect(away.stdout).toMatch(/^NOT DONE: '\S+elsewhere' is not there/m);
}, 400_000);

test("a backup that is away is named until it is back; one that was not made is not known", async () => {
  using sandbox = new Sandbox();
  leaveSession(sandbox);
  const backup = join(sandbox.home, "a 'b' ü.duckdb");
  await sandbox.run(["backup", backup]);
  const refused = await sandbox.run(["backup", join(sandbox.home, ".")]);
  expect(refused.exitCode).toBe(64);
  const known = () => readFileSync(join(sandbox.data, "copies.jsonl"), "utf8");
  expect(known().trimEnd().split("\n")).toHaveLength(1);
  // What is there already is no backup of ours, and stays unknown.
  writeFileSync(join(sandbox.home, "mine"), "mine");
  await sandbox.run(["backup", join(sandbox.home, "mine")]);
  renameSync(backup, join(sandbox.home, "away"));
  const away = await redact(sandbox, id(1));
  expect(away.exitCode).toBe(1);
  expect(away.stdout.match(/^NOT DONE: .*$/gm)).toEqual([
    expect.stringMatching(/^NOT DONE: '.*\/a 'b' ü\.duckdb' is not there/),
  ]);
  expect(await wordsLeft(sandbox, [word(1)])).toEqual([`away: ${word(1)}`]);
  renameSync(join(sandbox.home, "away"), backup);
  expect((await redact(sandbox, id(1))).exitCode).toBe(0);
  expect(await wordsLeft(sandbox, WORDS)).toEqual([]);
  // One that is none any more is named, and left as it is.
  writeFileSync(backup, "no database");
  const broken = await redact(sandbox, id(1), "--json");
  expect(broken.exitCode).toBe(1);
  const { left } = JSON.parse(broken.stdout) as { left: string[] };
  expect(left).toHaveLength(1);
  expect(left[0]).toContain("a 'b' ü.duckdb");
  expect(readFileSync(backup, "utf8")).toBe("no database");
  // The list is not written over, and is no place for a backup.
  const list = join(sandbox.data, "copies.jsonl");
  const over = await sandbox.run(["backup", "--force", list]);
  expectFailure(over, 64, /one of session-buddy's own files/);
}, 400_000);

test("a person is asked, and nobody else; a number that is none is refused", async () => {
  using sandbox = new Sandbox();
  configure(sandbox, "store: {keep_done: 1h}\n");
  leaveSession(sandbox);
  await sandbox.list();
  const before = await wordsLeft(sandbox, WORDS);
  const nobody = await sandbox.run(["redact", id(1)]);
  expectFailure(nobody, 64, /nobody is there to be asked \(give --yes/);
  for (const number of ["", "0x1", "-1", "1e3", "1:2:3", "1 OR 1=1", "٣", ":1"])
    expectFailure(
      await sandbox.run(["redact", "--yes", id(1), `--command=${number}`]),
      64,
      /^session-buddy: --command takes the number of a command/,
    );
  for (const number of ["7", "9:1", "999999999999999", crypto.randomUUID()])
    expectFailure(
      await redact(sandbox, id(1), "--command", number),
      1,
      /the session has no command/,
    );
  expectFailure(await redact(sandbox), 64, /redact needs a session's id/);
  expectFailure(await redact(sandbox, ""), 64, /the session's id is empty/);
  expectFailure(await redact(sandbox, "nope"), 1, /no session 'nope'/);
  expectFailure(await redact(sandbox, id(77)), 1, /no session 'sh-/);
  const check = await sandbox.run(["redact", "--check", id(1)]);
  expectFailure(check, 64, /--check takes a text from standard input/);

  const ask = async (answer: string) => {
    const argv = [BINARY, "redact", id(1), "--command", `${ONE}:1`];
    await using pty = new Pty(sandbox, argv);
    await pty.expect(
      /The text of command 1 of shell 4194000 in session \S+ is removed for good/,
    );
    await pty.expect("(y/N) ");
    pty.line(answer);
    await pty.ended();
    return pty.child.exitCode;
  };
  expect(await ask("n")).toBe(1);
  expect(await wordsLeft(sandbox, WORDS)).toEqual(before);
  expect(await ask("y")).toBe(0);
  const { stdout } = await sandbox.run(["show-session", id(1)]);
  expect(stdout.match(/\(removed\)$/gm)).toHaveLength(1);
}, 400_000);

test("where another host has the database, what waits here loses its texts, and the rest is named", async () => {
  using sandbox = new Sandbox();
  leaveSession(sandbox);
  leaveOther(sandbox);
  // Nobody listens there.
  const env = { SESSION_BUDDY_MCP_ENDPOINT: "http://127.0.0.1:9/mcp" };
  const run = (...args: string[]) =>
    sandbox.run(["redact", "--yes", ...args], { env });
  const one = await run(id(1), "--command", `${ONE}:2`);
  expect([one.exitCode, one.stderr]).toEqual([1, ""]);
  expect(one.stdout).toMatch(/^spool: 1 lines$/m);
  expect(one.stdout).toMatch(
    /^NOT DONE: the database is kept by the server at http:\S+: on that host, run session-buddy redact sh-/m,
  );
  expect(await wordsLeft(sandbox, [word(2)])).toEqual([]);
  expect((await run(id(1))).exitCode).toBe(1);
  expect(await wordsLeft(sandbox, WORDS)).toEqual([]);
  expect(await wordsLeft(sandbox, ["kept-text"])).not.toBeEmpty();
  expect(existsSync(sandbox.database)).toBe(false);
  expectFailure(await run("nope"), 1, /nothing of a session 'nope' waits/);
});

test("an export that has the texts is named, and brings none of them anywhere once it says that they went", async () => {
  using sandbox = new Sandbox();
  leaveSession(sandbox);
  await sandbox.list();
  const run = async (...args: string[]) => {
    const done = await sandbox.run(args);
    expect([done.exitCode, done.stderr]).toEqual([0, ""]);
  };
  for (const format of ["ndjson", "parquet"])
    await run("export", "--format", format, join(sandbox.home, format));
  const done = await redact(sandbox, id(1));
  expect(done.exitCode).toBe(1);
  expect([...(done.stdout.match(/^NOT DONE: .*$/gm) ?? [])]).toEqual(
    ["ndjson", "parquet"].map((format): string =>
      expect.stringMatching(
        new RegExp(`^NOT DONE: '\\S+/${format}' is an export with texts of it`),
      ),
    ),
  );
  for (const format of ["ndjson", "parquet"]) {
    const folder = join(sandbox.home, format);
    await run("export", "--format", format, folder);
    using other = new Sandbox();
    cpSync(folder, join(other.home, "export"), { recursive: true });
    const read = await other.run(["import", join(other.home, "export")]);
    expect([read.exitCode, read.stderr]).toEqual([0, ""]);
    rmSync(join(other.home, "export"), { recursive: true });
    expect(await wordsLeft(other, WORDS)).toEqual([]);
    const shown = await other.run(["show-session", id(1)]);
    expect(shown.stdout.match(/\(removed\)$/gm)).toHaveLength(4);
    // Made anew it has none.
    rmSync(folder, { recursive: true });
    await run("export", "--format", format, folder);
  }
  expect((await redact(sandbox, id(1))).exitCode).toBe(0);
  expect(await wordsLeft(sandbox, WORDS)).toEqual([]);
}, 400_000);
