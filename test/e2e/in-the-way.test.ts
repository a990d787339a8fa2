/** What stands where a folder of the spool belongs, and locks that fail: one true sentence each. */
import { expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { plant } from "../support/host.ts";
import { withoutLocks } from "../support/locks.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { leave } from "../support/spool.ts";

const PUT = {
  file: (path: string) => writeFileSync(path, ""),
  fifo: (path: string) => void Bun.spawnSync(["mkfifo", path]),
};

test.each(
  (["file", "fifo"] as const).flatMap((kind) =>
    ["spool", "spool folder", "done", "quarantine"].map(
      (place) => [kind, place] as const,
    ),
  ),
)(
  "a %s in the place of the %s: what is stored is shown, and that path is named",
  async (kind, place) => {
    using sandbox = new Sandbox();
    const [stored] = plant(sandbox, [{}]);
    await sandbox.list();
    const folder = sandbox.spool;
    plant(sandbox, [{}]);
    leave(sandbox, "sh-20260206-123456-0000beef.ndjson", "no event\n");
    const path = {
      spool: dirname(folder),
      "spool folder": folder,
      done: join(folder, "done"),
      quarantine: join(folder, "quarantine"),
    }[place]!;
    rmSync(path, { recursive: true, force: true });
    PUT[kind](path);
    const { exitCode, stdout, stderr } = await sandbox.run(["list-sessions"]);
    expect(stderr).not.toContain("internal error");
    expect(stderr).toContain(`'${path}`);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(stored!);
  },
);

test.each([5, 22])(
  "a lock that fails with errno %d is named",
  async (errno) => {
    using sandbox = new Sandbox();
    mkdirSync(sandbox.data, { recursive: true, mode: 0o700 });
    const argv = [...withoutLocks(errno), BINARY, "list-sessions"];
    const { exitCode, stderr } = await sandbox.command(argv);
    expect(stderr).not.toContain("internal error");
    expect(stderr).toContain("store.lock' cannot be locked: ");
    expect(exitCode).toBe(1);
  },
);
