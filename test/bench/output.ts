/**
 * What it takes to read recordings for searches, and to search in what they showed,
 * beside a listing. The recordings are of `ls -lR` in colours, 187,000 lines each.
 * `bun test/bench/output.ts 10`
 */
import {
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { searchRecordings } from "../../src/access/searched-recordings.ts";
import { EVERY_RULE } from "../../src/model/redaction/custom.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { id } from "../contract/expected.ts";
import { at, end, start } from "../support/events.ts";
import { recordingOf, shown } from "../support/recording.ts";

const [recordings = 10] = process.argv.slice(2).map(Number);
const ROUNDS = 5;
const BLOCK_BYTES = 64 * 1024;
const MB = 1e6;

const home = mkdtempSync(join(tmpdir(), "session-buddy-bench-"));
const database = join(home, "sessions.duckdb");
mkdirSync(join(home, "recordings"), { mode: 0o700 });
process.umask(0o077);
const store = await DuckDBStore.open(database);
try {
  const { stdout } = Bun.spawnSync(["ls", "-lR", "--color=always", "/usr"]);
  const text = stdout.toString("latin1").replaceAll("\n", "\r\n");
  const output = Buffer.from(text.slice(0, 12 * MB), "latin1");
  const blocks = Array.from(
    { length: Math.ceil(output.length / BLOCK_BYTES) },
    (_, n) => [
      shown(n / 10, output.subarray(n * BLOCK_BYTES, (n + 1) * BLOCK_BYTES)),
    ],
  );
  for (let n = 0; n < recordings; n++) {
    const session_id = id(n);
    await store.append([start({ session_id }), end(9_999, { session_id })]);
    const size = { columns: 120, rows: 40 };
    const head = { session_id, started_at: at(0), ...size };
    writeFileSync(
      join(home, "recordings", `${session_id}.rec`),
      recordingOf(blocks, head),
    );
  }
  await store.idle();
  const empty = statSync(database).size;
  const before = process.cpuUsage();
  const began = performance.now();
  await searchRecordings({
    ...{ data: home, database, lines: store.output, redaction: EVERY_RULE },
    ...{ within_ms: 120_000, begins: () => true, goesOn: () => true },
    leftOut: (_, why) => console.log(why),
  });
  const wall_s = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(before);
  await store.idle();
  const all = await store.output.recordings();
  const lines = all.reduce((sum, one) => sum + one.lines, 0);
  const shown_mb = (output.length * recordings) / MB;
  console.log(
    `${recordings} recordings, ${lines} lines; load ${loadavg()[0]!.toFixed(1)}`,
  );
  console.log(
    `read: ${(shown_mb / wall_s).toFixed(1)} MB of output a second of wall time, ${(shown_mb / ((user + system) / 1e6)).toFixed(1)} of CPU`,
  );
  console.log(
    `database: ${((statSync(database).size - empty) / MB / shown_mb).toFixed(2)} MB for a MB of output`,
  );
  const counted = async (rows: AsyncIterable<unknown>) =>
    (await Array.fromAsync(rows)).length;
  const questions: Record<string, () => Promise<number>> = {
    newest: () => counted(store.list({ limit: 50 })),
    nowhere: () => counted(store.search({ text: "is not anywhere" })),
    commands: () =>
      counted(store.search({ text: "is not anywhere", in: "commands" })),
    everywhere: () => counted(store.search({ text: "root", limit: 50 })),
    regex: () => counted(store.search({ text: "is +not", regex: true })),
  };
  const best: Record<string, number> = {};
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, ask] of Object.entries(questions)) {
      const asked = performance.now();
      await ask();
      const ms = performance.now() - asked;
      best[name] = Math.min(best[name] ?? Infinity, ms);
    }
  for (const [name, ms] of Object.entries(best))
    console.log(
      `${name.padEnd(10)} ${ms.toFixed(0).padStart(6)} ms  × newest ${(ms / best["newest"]!).toFixed(1)}`,
    );
} finally {
  await store.close();
  rmSync(home, { recursive: true, force: true });
}
