/** Work of the server is shown to whoever waits for it; what is quick shows nothing. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { plant } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

test("a bar stands while a server is waited for, and goes with it", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, [{}]);
  await using _server = await TestServer.start(sandbox);
  const file = join(sandbox.home, "copy.duckdb");
  // It takes the spool in first, and waits for whoever does that; it answers meanwhile.
  const lock = join(sandbox.spool, "drain.lock");
  const words = ["flock", "-F", lock, "sh", "-c", "echo; exec cat"];
  const holder = Bun.spawn(words, { stdin: "pipe", stdout: "pipe" });
  await holder.stdout.getReader().read();
  await using pty = new Pty(sandbox, [BINARY, "backup", file]);
  await pty.expect(/\rbackup: \d+ s/);
  holder.kill();
  await holder.exited;
  await pty.expect(/backup: \S+copy.duckdb \(.*\)\r\n/);
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
  // The bar is gone before the result is there.
  expect(pty.raw()).toMatch(/\r\x1b\[Kbackup: \S+copy\.duckdb/);
});

test("what is quick says nothing in a pipe", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, [{}]);
  const copy = join(sandbox.home, "copy.duckdb");
  for (const words of [
    ["backup", copy],
    ["archive-sessions", "--days", "1", "--yes"],
    ["restore", "--yes", copy],
    ["export", join(sandbox.home, "parts")],
    ["import", join(sandbox.home, "parts")],
    ["drain"],
  ])
    expect(await sandbox.run(words)).toMatchObject({ exitCode: 0, stderr: "" });
});
