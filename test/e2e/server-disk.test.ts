/**
 * A server whose disk fills up: it says so, loses nothing, and goes on by itself
 * once there is room.
 */
import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { needsRoot, runPrivately } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";

/** Fills the disk of a server that has more than a megabyte to move into its file. */
async function onFullDisk(meanwhile: (disk: string) => string) {
  using sandbox = new Sandbox();
  const disk = join(sandbox.home, "disk");
  mkdirSync(disk);
  return await runPrivately(
    sandbox,
    `mount -t tmpfs -o size=160m none ${disk}
    export SESSION_BUDDY_DATA_DIR=${disk}/data
    sb=${BINARY}
    $sb mcp start --port auto --detach >/dev/null
    trap '$sb mcp stop >/dev/null' EXIT
    for n in $(seq 20); do
      $sb shell --meta text="$(head -c 45000 /dev/urandom | base64 -w 0)" -- true
    done
    $sb list-sessions | wc -l
    head -c 1G /dev/zero > ${disk}/fill 2>/dev/null || true
    ${meanwhile(disk)}
    rm ${disk}/fill
    until $sb mcp health >/dev/null; do sleep 0.1; done
    $sb shell -- true
    $sb list-sessions | wc -l`,
  );
}

test("after a full disk a server goes on once there is room", async () => {
  if (!needsRoot()) return;
  // For a copy of what a checkpoint writes over there is room, for all of it there is none.
  const { stdout, stderr } = await onFullDisk(
    (disk) => `truncate -s -600K ${disk}/fill
    until $sb mcp health | grep -q 'database: failed'; do sleep 0.1; done
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
    () => `until $sb mcp logs | grep -q "the disk of '.*' is full"; do sleep 0.1; done
    $sb mcp health | grep -e database -e disk
    $sb list-sessions | wc -l`,
  );
  expect(stdout).toBe("20\n  database: ok\n  disk:     failed\n20\n21\n");
}, 400_000);
