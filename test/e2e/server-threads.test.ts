/**
 * The threads that files and the database share in a server: long questions
 * must not keep a commit or a line of the log waiting.
 */
import { expect, test } from "bun:test";
import { readFileSync, readdirSync } from "node:fs";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

/** The numbers of the pool's threads; what they start has their names, too. */
function poolOf(pid: number): Set<string> {
  const names = readdirSync(`/proc/${pid}/task`).map((task) =>
    readFileSync(`/proc/${pid}/task/${task}/comm`, "utf8").trim(),
  );
  return new Set(names.filter((name) => name.startsWith("Bun Pool")));
}

async function poolUnder(env: Record<string, string>): Promise<Set<string>> {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox, { env });
  await Promise.all(
    Array.from({ length: 64 }, () => server.call("list_sessions")),
  );
  return poolOf(server.child.pid);
}

test("a server has more threads than a small machine has cores", async () => {
  expect((await poolUnder({})).size).toBeGreaterThan(4);
});

test("who sets their number has his way", async () => {
  const pool = await poolUnder({ UV_THREADPOOL_SIZE: "3" });
  expect([...pool].sort()).toEqual(["Bun Pool 0", "Bun Pool 1", "Bun Pool 2"]);
});
