/**
 * The spool under a session's hands: its folder is removed or moved away, its
 * disk is full for a while. What happened is recorded all the same.
 */
import { expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { configure, needsRoot, runPrivately } from "../support/host.ts";
import { Live } from "../support/live.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { stopped, until } from "../support/wait.ts";

/** At once: a heartbeat would put a file into what is just being removed. */
function remove(folder: string): void {
  const gone = `${folder}.gone`;
  renameSync(folder, gone);
  rmSync(gone, { recursive: true });
}

const LOSSES: [string, (spool: string) => void][] = [
  ["removed", remove],
  ["removed with all above it", (spool) => remove(join(spool, "../.."))],
  ["moved away", (spool) => renameSync(spool, `${spool}.old`)],
  [
    "replaced by a copy",
    (spool) => {
      renameSync(spool, `${spool}.old`);
      cpSync(`${spool}.old`, spool, { recursive: true });
    },
  ],
];

/** But what is measured again and again: of that only the last one is kept. */
const lasting = (lines: string[]) =>
  lines.filter((line) => !line.includes('"resource_usage"'));

for (const [how, lose] of LOSSES) {
  test(`a spool folder that is ${how} while a session runs: at its end all of it is recorded`, async () => {
    using sandbox = new Sandbox();
    await using live = await Live.begin(sandbox);
    await live.quiet();
    const { file } = live;
    const lines = lasting(live.lines);
    lose(sandbox.spool);
    await live.end(4);
    const after = readFileSync(file, "utf8").split("\n");
    for (const line of lines) expect(after).toContain(line);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await sandbox.only()).toMatchObject({
      ...{ session_id: live.session_id, status: "ended", exit_code: 4 },
      end_source: "observed",
    });
  });

  test(`a spool folder that is ${how} while a session runs: the next heartbeat records it anew`, async () => {
    using sandbox = new Sandbox();
    configure(sandbox, "session: {heartbeat: 100ms}\n");
    await using live = await Live.begin(sandbox);
    await live.quiet();
    const { file } = live;
    const lines = lasting(live.lines);
    const { ino } = statSync(file);
    // Nobody else holds the number of the file that is gone.
    const held = Bun.file(file).stream().getReader();
    // At once, for the wrapper: it looks each 100 ms.
    live.wrapper.kill("SIGSTOP");
    await stopped(live.wrapper.pid);
    lose(sandbox.spool);
    live.wrapper.kill("SIGCONT");
    const times = how === "replaced by a copy" ? 2 : 1;
    const heard = await until("the events to be there again", () => {
      const text = existsSync(file) ? readFileSync(file, "utf8") : "";
      return lines.every((line) => text.split(line).length > times) && text;
    });
    await held.cancel();
    if (times === 1) {
      expect(lasting(heard.split("\n"))).toEqual([...lines, ""]);
      expect(statSync(file).ino).not.toBe(ino);
    }
    expect(await sandbox.only()).toMatchObject({ status: "active" });
    // Its lock is held again: nobody takes the wrapper for gone.
    await live.killWrapper();
    await live.endChild();
    expect(await sandbox.only()).toMatchObject({ status: "lost" });
  });
}

test("a disk that is full in the middle of a session and free before its end: all is recorded", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  // What a heartbeat measures would take the room of what is found out once.
  configure(sandbox, "session: {heartbeat: 24h}\n");
  const disk = join(sandbox.home, "disk");
  mkdirSync(disk);
  // Brackets: the start holds the words of the program, too.
  // The program fills the disk before the wrapper has found out what takes
  // time, waits until the file ends with its last block, and makes room again.
  const program = `
    file=$(echo ${disk}/data/spool/*/$SESSION_BUDDY_SESSION_ID.ndjson)
    until grep -q event_type.:.pro[c]ess $file; do sleep 0.01; done
    if [ "$MEASURE" ]; then kill -9 $PPID; exit; fi
    head -c 10M /dev/zero > ${disk}/fill 2> ${disk}.said
    # It was too late: once more.
    if grep -q event_type.:.anno[t]ation $file; then rm ${disk}/fill; exit 9; fi
    cat ${disk}.said >&2
    until [ $(($(stat -c %s $file) % 4096)) = 0 ]; do sleep 0.01; done
    rm ${disk}/fill
    exit 3`;
  // A start as long as leaves the block no room for what comes later.
  const script = `mount -t tmpfs -o size=1m,mode=700 none ${disk}
    export SESSION_BUDDY_DATA_DIR=${disk}/data
    (MEASURE=1 ${BINARY} shell --reason x -- sh -c "$PROGRAM" || true) 2>/dev/null
    size=$(grep -v event_type.:.annotation ${disk}/data/spool/*/*.ndjson | wc -c)
    reason=$(head -c $((8192 - 60 - size)) /dev/zero | tr '\\0' x)
    status=9
    while [ $status = 9 ]; do
      rm -rf ${disk}/data; status=0
      ${BINARY} shell --reason "$reason" -- sh -c "$PROGRAM" || status=$?
    done
    echo "status $status"
    cp -r ${disk}/data ${sandbox.home}/kept
    SESSION_BUDDY_DATA_DIR=${sandbox.home}/kept ${BINARY} list-sessions --format json`;
  const run = await runPrivately(sandbox, script, {
    env: { PROGRAM: program },
  });
  const [status, ...json] = run.stdout.split("\n");
  expect(run.stderr).toMatch(
    /^head: .*No space left on device\nsession-buddy: a spool line could not be read \(.*\n$/,
  );
  expect(status).toBe("status 3");
  const [session, ...more] = JSON.parse(json.join("\n")) as object[];
  expect(more).toEqual([]);
  expect(session).toMatchObject({
    ...{ status: "ended", exit_code: 3, end_source: "observed" },
    metadata: { command_tree_size: expect.any(Number) },
  });
});
