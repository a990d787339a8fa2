/**
 * What keeps the spool from the store keeps nobody from what is stored: it is
 * shown, and that it is not all is said.
 */
import { describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { plant } from "../support/host.ts";
import { Place, SETTINGS } from "../support/place.ts";
import { leave } from "../support/spool.ts";
import { stopped } from "../support/wait.ts";

describe.each(SETTINGS)(
  "drain.lock in the hands of one that stopped, %s:",
  (setting) => {
    test("what is stored is shown, and who holds it is said", async () => {
      await using place = await Place.begin(setting);
      const { sandbox } = place;
      const [stored] = plant(sandbox, [{}]);
      expect((await sandbox.only()).session_id).toBe(stored!);
      const lock = join(sandbox.spool, "drain.lock");
      const script = "echo; kill -STOP $$; cat";
      const holder = Bun.spawn(["flock", "-F", lock, "sh", "-c", script], {
        stdin: "pipe",
        stdout: "pipe",
      });
      try {
        await holder.stdout.getReader().read();
        await stopped(holder.pid);
        plant(sandbox, [{}]);
        const said = `the spool was not drained: pid ${holder.pid}, stopped by a signal holds '${lock}'`;
        const listed = await sandbox.run(["list-sessions", "--json"]);
        expect([listed.exitCode, listed.stderr]).toEqual([
          0,
          `session-buddy: ${said}\n`,
        ]);
        expect(JSON.parse(listed.stdout)).toHaveLength(1);
        const drained = await sandbox.run(["drain"]);
        expect([drained.exitCode, drained.stdout]).toEqual([7, ""]);
        expect(drained.stderr).toContain(said);
      } finally {
        holder.kill("SIGKILL");
        await holder.exited;
      }
      expect(await sandbox.list()).toHaveLength(2);
      expect((await sandbox.run(["drain"])).stderr).toBe("");
    }, 400_000);
  },
);

test("with a server, a quarantine that cannot be made: what is stored is shown, and why not all", async () => {
  await using place = await Place.begin("with a server");
  const { sandbox } = place;
  const [stored] = plant(sandbox, [{}]);
  expect((await sandbox.only()).session_id).toBe(stored!);
  writeFileSync(join(sandbox.spool, "quarantine"), "");
  leave(sandbox, "sh-20260206-123456-0000beef.ndjson", "no event\n");
  for (const args of [["list-sessions"], ["show-session", stored!]]) {
    const read = await sandbox.run(args);
    expect([args, read.exitCode]).toEqual([args, 0]);
    expect(read.stdout).toContain(stored!);
    expect(read.stderr).toMatch(
      /^session-buddy: the spool was not drained: [^\n]+\n$/,
    );
  }
  expect((await sandbox.run(["drain"])).exitCode).not.toBe(0);
  const folder = join(sandbox.spool, "quarantine");
  rmSync(folder);
  // A server may have made it by now.
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  expect((await sandbox.run(["list-sessions"])).stderr).toBe("");
});
