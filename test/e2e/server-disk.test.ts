/**
 * A server whose disk fills up: it says so, loses nothing, and goes on by itself
 * once there is room.
 */
import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { needsRoot, runPrivately } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";

/**
 * Fills the disk of a server that has more than a megabyte to move into its file.
 * @param room how much of the disk is left
 */
async function onFullDisk(room: string, meanwhile: string) {
  using sandbox = new Sandbox();
  const disk = join(sandbox.home, "disk");
  mkdirSync(disk);
  // When nothing comes the server moves its log into the file: it stands still from
  // before that until the disk is full. Where that was too late, more is recorded,
  // which the counts leave out.
  return await runPrivately(
    sandbox,
    `mount -t tmpfs -o size=160m none ${disk}
    export SESSION_BUDDY_DATA_DIR=${disk}/data
    sb=${BINARY}
    $sb mcp start --port auto --detach >/dev/null
    pid=$($sb mcp status --json | grep -o '"pid": [0-9]*' | grep -o '[0-9]*$')
    trap 'kill -CONT $pid; $sb mcp stop >/dev/null' EXIT
    more=0
    count() { echo $(($($sb list-sessions | wc -l) - more)); }
    record() {
      for n in $(seq 20); do
        $sb shell --meta text="$(head -c 45000 /dev/urandom | base64 -w 0)" -- true
      done
      recorded=$(count)
    }
    found() { find ${disk}/data -name "$@" | grep -q .; }
    hold() {
      kill -STOP $pid
      until grep -q '^State:.T' /proc/$pid/status; do sleep 0.1; done
      found sessions.duckdb.wal -size +1024k && ! found 'sessions.duckdb.checkpoint*'
    }
    record
    until hold; do
      kill -CONT $pid
      more=$((more + 20))
      [ $more -le 200 ] || exit 9
      record
    done
    echo $recorded
    head -c 1G /dev/zero > ${disk}/fill 2>/dev/null || true
    truncate -s -${room} ${disk}/fill
    kill -CONT $pid
    ${meanwhile}
    rm ${disk}/fill
    until $sb mcp health >/dev/null; do sleep 0.1; done
    $sb shell -- true
    count`,
  );
}

test("after a full disk a server goes on once there is room", async () => {
  if (!needsRoot()) return;
  // For a copy of what a checkpoint writes over there is room, for all of it there is none.
  const { stdout, stderr } = await onFullDisk(
    "600K",
    `until $sb mcp health | grep -q 'database: failed'; do sleep 0.1; done
    # It looks each second whether there is room: some of these find none.
    sleep 2.5
    $sb mcp health >/dev/null || echo "health $?"
    $sb list-sessions || echo "list $?"`,
  );
  expect(stdout).toBe("20\nhealth 4\nlist 1\n21\n");
  expect(stderr).toMatch(/the disk of '.*' is full \(free some space/);
}, 400_000);

test("a disk without any room keeps no server from answering", async () => {
  if (!needsRoot()) return;
  const { stdout } = await onFullDisk(
    "0",
    `until $sb mcp logs | grep -q "the disk of '.*' is full"; do sleep 0.1; done
    $sb mcp health | grep -e database -e disk
    count`,
  );
  expect(stdout).toBe("20\n  database: ok\n  disk:     failed\n20\n21\n");
}, 400_000);
