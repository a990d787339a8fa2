/**
 * A kill at each call with which a command changes the database's files, in the midst
 * of each write: the next command opens them, and nothing is lost.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { end } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { id, leave, life, lines } from "../support/spool.ts";
import { Injector } from "./inject.ts";

const injector = Injector.build();
/** More calls than any of these commands makes. */
const MAX_CALLS = 500;
const LIMIT_MS = 600_000;

const random = Random.seeded("checkpoint");
const root = mkdtempSync(join(tmpdir(), "sb-checkpoint-"));
/** A database that has a session, and a spool that has another one. */
const waits = join(root, "waits");
/** As a kill leaves them that comes while the second is moved into the file. */
const torn = join(root, "torn");

beforeAll(async () => {
  using sandbox = new Sandbox();
  for (const n of [1, 2]) {
    if (n === 2) expect(await sandbox.list()).toHaveLength(1);
    leave(sandbox, `${id(n)}.ndjson`, lines(life(n, end(60))));
  }
  cpSync(sandbox.data, waits, { recursive: true });
}, 400_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

test.skipIf(!injector)(
  "a drain that is killed in the midst of any write",
  async () => {
    const killed = await killEverywhere(waits, "drain", (sandbox, file) => {
      if (file === "sessions.duckdb" && !existsSync(torn))
        cpSync(sandbox.data, torn, { recursive: true });
    });
    expect(killed["sessions.duckdb"]).toBeGreaterThan(3);
    expect(killed["sessions.duckdb.wal"]).toBeGreaterThan(3);
  },
  LIMIT_MS,
);

test.skipIf(!injector)(
  "and so is a command that mends what that left",
  async () => {
    const killed = await killEverywhere(torn, "list-sessions", () => {});
    expect(killed["sessions.duckdb"]).toBeGreaterThan(3);
  },
  LIMIT_MS,
);

/**
 * Kills a command at its first such call, then at its second, until it comes through.
 * @returns how often it was in a file, by the file's name
 */
async function killEverywhere(
  template: string,
  word: string,
  after: (sandbox: Sandbox, file: string) => void,
): Promise<Record<string, number>> {
  const killed: Record<string, number> = {};
  for (let calls = 0; calls < MAX_CALLS; calls++) {
    using sandbox = new Sandbox();
    cpSync(template, sandbox.data, { recursive: true });
    const log = join(sandbox.home, "faults");
    writeFileSync(log, "");
    const kill = { kinds: ["kill"], after: calls, permille: 1_000, burst: 0 };
    // What stands beside the database begins with its name.
    const disk = injector!.disk(random, kill, sandbox.database, log);
    const { signal } = await sandbox.command([...disk, BINARY, word]);
    const [, path] = /^kill \d+ (.*)\n$/.exec(readFileSync(log, "utf8")) ?? [];
    expect({ calls, signal }).toEqual({
      calls,
      signal: path ? "SIGKILL" : null,
    });
    if (path) {
      const file = path.slice(sandbox.data.length + 1);
      killed[file] = (killed[file] ?? 0) + 1;
      after(sandbox, file);
    }
    const sessions = await sandbox.list();
    const ids = sessions.map(({ session_id }) => session_id).sort();
    expect({ calls, path, ids }).toEqual({ calls, path, ids: [id(1), id(2)] });
    if (!path) break;
  }
  console.log(`${word}: ${JSON.stringify(killed)}`);
  return killed;
}
