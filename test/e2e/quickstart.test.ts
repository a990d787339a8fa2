import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Sandbox } from "../support/sandbox.ts";

test("the quickstart wraps, lists and shows in a folder that it names", async () => {
  using sandbox = new Sandbox();
  const script = join(import.meta.dir, "../quickstart.ts");
  const { exitCode, stdout } = await sandbox.command([
    process.execPath,
    script,
  ]);
  const folder = /scratch folder (\S+)/.exec(stdout)?.[1] ?? "";
  rmSync(folder, { recursive: true });
  expect(stdout).toContain("hello from a wrapped shell");
  const id = /^(sh-\d{8}-\d{6}-[0-9a-f]{8})\t/m.exec(stdout)?.[1];
  expect(stdout).toContain(`session_id:         ${id}`);
  expect(exitCode).toBe(0);
});
