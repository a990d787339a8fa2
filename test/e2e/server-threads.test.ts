/**
 * The threads that files and the database share in a server: long questions
 * must not keep a commit or a line of the log waiting.
 */
import { expect, test } from "bun:test";
import { readFileSync, readdirSync } from "node:fs";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { until } from "../support/wait.ts";

const threadsOf = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return [readFileSync(`/proc/${pid}/task/${task}/comm`, "utf8").trim()];
    } catch {
      return []; // It has ended meanwhile.
    }
  });

/** The names of the pool's threads; what they start has their names, too. */
const poolOf = (pid: number) =>
  new Set(threadsOf(pid).filter((name) => name.startsWith("Bun Pool")));

/** Asks much at once; threads are made as they are needed. */
const askMuch = (server: TestServer) =>
  Promise.all(Array.from({ length: 64 }, () => server.call("list_sessions")));

test("a server has more threads than a small machine has cores", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox, {});
  await until("more than four threads", async () => {
    await askMuch(server);
    return poolOf(server.child.pid).size > 4;
  });
});

test("a server's engine compiles and collects beside its work", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox, {});
  const threads = new Set<string>();
  await until("the engine's threads", async () => {
    await askMuch(server);
    for (const name of threadsOf(server.child.pid)) threads.add(name);
    return ["JITWorker", "HeapHelper"].every((name) => threads.has(name));
  });
});

test("who sets their number has his way", async () => {
  using sandbox = new Sandbox();
  const env = { UV_THREADPOOL_SIZE: "3" };
  await using server = await TestServer.start(sandbox, { env });
  const three = ["Bun Pool 0", "Bun Pool 1", "Bun Pool 2"];
  await until("three threads", async () => {
    await askMuch(server);
    return poolOf(server.child.pid).size === three.length;
  });
  await askMuch(server);
  expect([...poolOf(server.child.pid)].sort()).toEqual(three);
});
