/**
 * `redact`, killed with -9 at each of its steps: what it has removed does not come back,
 * and doing it again completes it.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { wordsLeft } from "../support/everywhere.ts";
import { killedAt } from "../support/killed.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { annotation, end } from "../support/events.ts";
import { hook, id, leave, life, lines } from "../support/spool.ts";
import { needs } from "../support/tools.ts";

const STEPS = ["pwrite64", "rename", "unlink", "fsync", "fdatasync"];
const word = (n: number) => ["un", "forgettable", String(n), "x"].join("");
const WORDS = [1, 2, 3, 4, 5].map(word);
const BEGAN = Date.parse("2026-02-06T12:35:00.000Z");

/** A home that has the texts in every place. */
let template: string;

const copiesIn = (home: string) =>
  `${JSON.stringify({ kind: "backup", path: join(home, "copy.duckdb") })}\n`;

/** More of it may be written later. */
function leaveSession(sandbox: Sandbox): void {
  const [first, ...rest] = life(1);
  const events = [
    { ...first!, reason: word(1), metadata: { ticket: word(2) } },
    ...rest,
    annotation(2, { session_id: id(1), note: word(3) }),
    end(900, { session_id: id(1) }),
  ];
  leave(sandbox, `${id(1)}.ndjson`, lines(events));
  const commands = [
    hook.header(4_194_000, BEGAN),
    hook.start(1, BEGAN + 1, word(4)),
    hook.end(1, BEGAN + 2, 0),
    `s\t2\t${BEGAN}000\t/srv\t\ttorn ${word(5)}\n`,
  ];
  leave(sandbox, `${id(1)}.4194000.commands`, commands.join(""));
}

beforeAll(async () => {
  template = mkdtempSync(join(tmpdir(), "sb-template-"));
  using sandbox = new Sandbox();
  leaveSession(sandbox);
  const run = async (...args: string[]) => {
    const { exitCode, stderr } = await sandbox.run(args);
    expect([exitCode, stderr]).toEqual([0, ""]);
  };
  await sandbox.list();
  await run("backup", "copy.duckdb");
  await run("restore", "--yes", "copy.duckdb");
  await sandbox.list();
  const spool = join(sandbox.home, "spool");
  renameSync(join(sandbox.data, "spool"), spool);
  await run("archive-sessions", "--days", "1", "--yes");
  renameSync(spool, join(sandbox.data, "spool"));
  await run("restore", "--yes", "copy.duckdb");
  // What was not read yet, and a write-ahead log.
  leaveSession(sandbox);
  const server = await TestServer.start(sandbox);
  await sandbox.list();
  await server.stop("SIGKILL");
  leaveSession(sandbox);
  const data = sandbox.data.slice(sandbox.home.length + 1);
  for (const name of ["copy.duckdb", data])
    cpSync(join(sandbox.home, name), join(template, name), { recursive: true });
  const found = (await wordsLeft(sandbox, WORDS)).join("\n");
  for (const place of [
    ...["copy.duckdb", "sessions.duckdb.before-", "sessions.duckdb:"],
    ...["archive/", "/done/", "/quarantine/"],
  ])
    expect(found).toContain(place);
  expect(readdirSync(sandbox.data)).toContain("sessions.duckdb.wal");
}, 400_000);
afterAll(() => rmSync(template, { recursive: true, force: true }));

function fresh(): Sandbox {
  const sandbox = new Sandbox();
  cpSync(template, sandbox.home, { recursive: true });
  const copies = join(sandbox.data, "copies.jsonl");
  writeFileSync(copies, copiesIn(sandbox.home), { mode: 0o600 });
  return sandbox;
}

const inDatabase = (found: readonly string[]) =>
  found.filter((name) => name.includes("sessions.duckdb:"));

const KEPT = /^session-buddy: a spool line could not be read .*\n/gm;

const WORDED = ["redact", "--yes", id(1)];

test.each(STEPS)(
  "redact: killed before any %s it brings nothing back, and the next time completes it",
  async (step) => {
    if (!needs("strace")) return;
    const left: number[] = [];
    for (let n = 1; ; n += Math.ceil(n / 2)) {
      using sandbox = fresh();
      const { killed, exitCode, stderr, stdout } = await killedAt(
        ...([sandbox, step, n, WORDED] as const),
      );
      const found = await wordsLeft(sandbox, WORDS);
      left.push(found.length);
      if (!killed) {
        expect([exitCode, stderr, found]).toEqual([0, "", []]);
        expect(stdout.match(/^copy: /gm)!.length).toBeGreaterThan(1);
        expect(stdout).toMatch(/^archive: /m);
        break;
      }
      if (inDatabase(found).length === 0) {
        // What reads, drains.
        await sandbox.list();
        expect(inDatabase(await wordsLeft(sandbox, WORDS))).toEqual([]);
      }
      const again = await sandbox.run(WORDED);
      // It drains first, if the one that was killed did not come to that.
      const said = again.stderr.replaceAll(KEPT, "");
      expect([n, again.exitCode, said]).toEqual([n, 0, ""]);
      expect([n, ...(await wordsLeft(sandbox, WORDS))]).toEqual([n]);
    }
    console.log(`redact: killed before ${step}; texts left: ${left}`);
    expect(left.length).toBeGreaterThan(2);
    expect(left[0]).toBeGreaterThan(0);
  },
  1_800_000,
);
