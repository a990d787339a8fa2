/**
 * Lines of a spool that are not what was written, each between two that are: it
 * is an event all the same, or it is kept aside, byte for byte, with a reason
 * that says something. Its neighbours are stored in either case.
 */
import { expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Event, Json } from "../../src/model/event.ts";
import { drain } from "../../src/spool/drain.ts";
import { ensureSpool } from "../../src/spool/write.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { query, storedEvents } from "../support/database.ts";
import { command, randomLife } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { Sandbox } from "../support/sandbox.ts";
import { id, leave, named } from "../support/spool.ts";
import { CASES, mutatedBytes, mutatedJson } from "./mutate.ts";

const LINES_A_FILE = 100;
let files = 0;

/** A file of mutated lines, each before a good one. */
function file(random: Random): {
  content: Buffer;
  good: Event[];
  bad: Buffer[];
} {
  const session_id = id(++files);
  const good: Event[] = [];
  const bad: Buffer[] = [];
  while (bad.length < LINES_A_FILE) {
    const [event = command(1)] = random.shuffled(
      randomLife(random, session_id),
    );
    const line = random.chance(0.5)
      ? mutatedBytes(random, Buffer.from(JSON.stringify(event)))
      : Buffer.from(mutatedJson(random, event as unknown as Json));
    if (line.length === 0) continue;
    bad.push(Buffer.from(line));
    good.push(
      command(files, {
        session_id,
        event_id: random.uuid(7),
        text: random.hex(8),
      }),
    );
  }
  const newline = Buffer.from("\n");
  const content = Buffer.concat(
    bad.flatMap((line, n) => [
      line,
      newline,
      Buffer.from(JSON.stringify(good[n])),
      newline,
    ]),
  );
  return { content, good, bad };
}

test(`${CASES} mutated lines are read, or kept aside with the reason; none harms its neighbours`, async () => {
  const random = Random.seeded("mutated lines");
  using sandbox = new Sandbox();
  ensureSpool(sandbox.data);
  const store = await DuckDBStore.open(sandbox.database);
  const wanted: string[] = [];
  const reasons = new Map<string, number>();
  let lines = 0;
  let aside = 0;
  while (lines < CASES) {
    const { content, good, bad } = file(random);
    lines += bad.length;
    wanted.push(...good.map(({ event_id }) => event_id));
    leave(sandbox, "mutated.ndjson", content);
    const { quarantined, refused } = await drain(sandbox.data, store, Date.now);
    expect(refused).toEqual([]);
    for (const { path, offset, length, reason } of quarantined) {
      expect(reason).toMatch(/\S{2}/);
      const kept = readFileSync(path).subarray(0, length);
      expect(kept.equals(content.subarray(offset, offset + length))).toBeTrue();
      const kind = reason.replace(/'.*'|"[^"]*"|\d+/g, "…").slice(0, 60);
      reasons.set(kind, (reasons.get(kind) ?? 0) + 1);
    }
    aside += quarantined.length;
    // It stays when a child is named of which nobody can know whether it lives.
    for (const name of ["done", "quarantine", "mutated.ndjson"])
      rmSync(join(sandbox.spool, name), { recursive: true, force: true });
  }
  await store.close();
  const stored = new Set(
    (await storedEvents(sandbox.database)).map((e) => e.event_id),
  );
  expect(wanted.filter((event_id) => !stored.has(event_id))).toEqual([]);
  expect(aside).toBeGreaterThan(lines / 4);
  console.log(
    `${lines} lines, ${aside} aside, ${stored.size - wanted.length} still events; ${reasons.size} kinds of reasons`,
  );
  if (process.env["FUZZ_REASONS"])
    console.log(
      [...reasons]
        .sort((a, b) => b[1] - a[1])
        .map(([r, n]) => `${n} ${r}`)
        .join("\n"),
    );
  // What is stored can be read, whatever it is.
  await sandbox.list();
  await query(sandbox.database, "SELECT payload::JSON FROM events");
}, 1_200_000);

test("the executable takes mutated lines for what they are", async () => {
  const random = Random.seeded("mutated lines, the executable");
  using sandbox = new Sandbox();
  const wanted: string[] = [];
  for (let n = 0; n < 5; n++) {
    const { content, good } = file(random);
    wanted.push(...good.map(({ event_id }) => event_id));
    leave(sandbox, `mutated-${n}.ndjson`, content);
  }
  const { exitCode, stderr } = await sandbox.run(["list-sessions"]);
  expect(exitCode).toBe(0);
  const said = stderr.split("\n").filter(Boolean);
  for (const line of said) {
    expect(line).toMatch(
      /^session-buddy: a spool line could not be read \(.+\) and is kept in '.+'$/,
    );
    expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
  }
  expect(said).toHaveLength(named(join(sandbox.spool, "quarantine")).length);
  const stored = new Set(
    (await storedEvents(sandbox.database)).map((e) => e.event_id),
  );
  expect(wanted.filter((event_id) => !stored.has(event_id))).toEqual([]);
});
