import { expect, test } from "bun:test";
import { copyFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { until } from "../support/wait.ts";

test("an executable replaced under a running wrapper loses nothing", async () => {
  using sandbox = new Sandbox();
  const installed = join(sandbox.home, "session-buddy");
  copyFileSync(BINARY, installed);
  await using pty = new Pty(sandbox, [
    ...[installed, "shell", "--component", "upgraded"],
    ...["--", "bash", "--norc"],
  ]);
  await pty.expect("$ ");
  const next = `${installed}.next`;
  writeFileSync(next, "#!/bin/sh\necho another version\n", { mode: 0o755 });
  renameSync(next, installed);
  await until("the facts", () =>
    JSON.stringify(sandbox.spooled()).includes('"command_tree_size"'),
  );
  pty.line(`${installed}; exit 5`);
  await pty.expect("another version");
  expect(await pty.ended()).toEqual({ code: 5, signal: null });
  expect(await sandbox.only()).toMatchObject({
    component_name: "upgraded",
    status: "ended",
    exit_code: 5,
    end_source: "observed",
  });
  const { metadata } = await sandbox.only();
  expect(metadata["command_tree_size"]).toBeGreaterThan(0);
});
