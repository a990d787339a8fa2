import { expect, test } from "bun:test";
import { join } from "node:path";
import { storedEvents } from "../support/database.ts";
import { Live } from "../support/live.ts";
import { Sandbox } from "../support/sandbox.ts";
import { until } from "../support/wait.ts";

const SHELLS = 50;
const READERS = 5;
/** Of each reader, after the last end; some meet the others' locks. */
const LAST_READS = 4;

test(`${SHELLS} shells end at once while ${READERS} readers list: each ends once, each reader sees all`, async () => {
  using sandbox = new Sandbox();
  await using stack = new AsyncDisposableStack();
  const lives: Live[] = [];
  // A few at a time: the machine is small, the end is what happens at once.
  while (lives.length < SHELLS)
    lives.push(
      ...(await Promise.all(
        Array.from({ length: 10 }, async () =>
          stack.use(await Live.begin(sandbox)),
        ),
      )),
    );
  let over = false;
  let reads = 0;
  const reader = async () => {
    for (let last = 0; last < LAST_READS;) {
      if (over) last++;
      const sessions = await sandbox.list();
      reads++;
      const ids = new Set(sessions.map((session) => session.session_id));
      expect(ids.size).toBe(SHELLS);
      expect(sessions).toHaveLength(SHELLS);
      const lost = sessions.filter((session) => session.status === "lost");
      expect(lost).toEqual([]);
    }
  };
  const readers = Array.from({ length: READERS }, reader);
  await until("a first read", () => reads > 0);
  await Promise.all(lives.map((live, n) => live.end(n)));
  over = true;
  await Promise.all(readers);
  console.log(`${reads} reads by ${READERS} readers`);

  const sessions = await sandbox.list();
  const statuses = new Map(
    sessions.map(({ session_id, exit_code, status, end_source }) => [
      session_id,
      [status, end_source, exit_code],
    ]),
  );
  for (const [n, live] of lives.entries())
    expect(statuses.get(live.session_id)).toEqual(["ended", "observed", n]);
  const stored = await storedEvents(sandbox.database);
  expect(new Set(stored.map((e) => e.event_id)).size).toBe(stored.length);
  for (const kind of ["session_start", "process", "session_end"])
    expect(stored.filter((e) => e.kind === kind)).toHaveLength(SHELLS);
}, 400_000);

test("a database that goes from hand to hand is waited for, longer than for one holder", async () => {
  using sandbox = new Sandbox();
  await sandbox.run(["shell", "--", "true"]);
  await sandbox.only();
  const lock = join(sandbox.data, "store.lock");
  // Each has it for a while that is bearable; all together are not.
  const script = `for pid in 1 2 3 4; do
    echo "{\\"pid\\":$pid,\\"role\\":\\"cli\\"}" > ${lock}; echo held; sleep 2
  done`;
  await using holders = Bun.spawn(["flock", lock, "sh", "-c", script], {
    stdout: "pipe",
  });
  await holders.stdout.getReader().read();
  // By itself: `list` would ask once more.
  const { stdout, stderr, exitCode } = await sandbox.run(["list-sessions"]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(stdout.trimEnd().split("\n")).toHaveLength(1);
});
