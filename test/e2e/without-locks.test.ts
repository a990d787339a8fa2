/** A command that cannot lock files, beside a server over PostgreSQL that has its lock. */
import { expect, test } from "bun:test";
import { needsPostgres } from "../crash/postgres/node.ts";
import { configure } from "../support/host.ts";
import { emptyDatabase } from "../support/postgres.ts";
import { NO_JIT, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

test.skipIf(!needsPostgres())(
  "a command without FFI asks the server, and leaves its name where it is",
  async () => {
    await using database = await emptyDatabase();
    using sandbox = new Sandbox();
    configure(sandbox, `store:\n  url: ${database.url}\n`);
    await using server = await TestServer.start(sandbox);
    await sandbox.run(["shell", "--", "sh", "-c", "exit 3"]);
    for (const env of [NO_JIT, {}, NO_JIT, {}]) {
      const { stdout, stderr, exitCode } = await sandbox.run(
        ["list-sessions", "--format", "json"],
        { env },
      );
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
      expect(JSON.parse(stdout)).toMatchObject([{ exit_code: 3 }]);
      const lock = await Bun.file(`${sandbox.data}/store.lock`).json();
      expect(lock).toMatchObject({ pid: server.child.pid, state: "ready" });
    }
  },
);
