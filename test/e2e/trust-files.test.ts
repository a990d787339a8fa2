/**
 * Whose files count among users of one host: what another user has put where we
 * read, or may exchange there, is not taken, and what is ours does not go there.
 */
import { expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { needsRoot, plant, runPrivately } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";

const STRANGER = 54_321;

/** A folder of another user, in which everybody can make files. */
function theirs(sandbox: Sandbox, name: string): string {
  const folder = join(sandbox.home, name);
  mkdirSync(folder);
  chownSync(folder, STRANGER, STRANGER);
  chmodSync(folder, 0o777);
  return folder;
}

test("a copy for reading is not made in another user's TMPDIR", async () => {
  if (!needsRoot()) return;
  using sandbox = new Sandbox();
  plant(sandbox, [{}, {}]);
  await sandbox.list();
  // What su without - leaves.
  const folder = theirs(sandbox, "tmp");
  const untouched = statSync(folder, { bigint: true }).mtimeNs;
  const run = await runPrivately(
    sandbox,
    `mount -t tmpfs -o size=4k none /dev/shm
    mount --bind ${sandbox.data} ${sandbox.data}
    mount -o remount,bind,ro ${sandbox.data}
    exec ${BINARY} list-sessions`,
    { env: { TMPDIR: folder } },
  );
  expect(run.exitCode).toBe(0);
  expect(run.stderr).toMatch(/shown is what is there.*\n$/);
  expect(run.stdout.trimEnd().split("\n")).toHaveLength(2);
  expect(statSync(folder, { bigint: true }).mtimeNs).toBe(untouched);
});
