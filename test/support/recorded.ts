/** One wrapped run without a terminal, and the session that came of it. */
import { expect } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { BINARY, type Sandbox, type SessionJson } from "./sandbox.ts";
import { until } from "./wait.ts";

/** Runs a program under the wrapper to its end. */
export async function recorded(
  sandbox: Sandbox,
  args: string[],
  env: Record<string, string | undefined> = {},
): Promise<SessionJson> {
  const before = new Set((await sandbox.list()).map((s) => s.session_id));
  const { exitCode, stderr } = await sandbox.run(["shell", ...args], { env });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return (await sandbox.list()).find((s) => !before.has(s.session_id))!;
}

/** The same of a program that waits for a line: it gets it once all is found out. */
export async function recordedLong(
  sandbox: Sandbox,
  args: string[],
  env: Record<string, string | undefined> = {},
): Promise<SessionJson> {
  const child = Bun.spawn([BINARY, "shell", ...args], {
    env: sandbox.envWith(env),
    cwd: sandbox.home,
    stdin: "pipe",
    stdout: "ignore",
    stderr: "inherit",
  });
  const { session_id } = await until("the facts", () =>
    sandbox.spooled().find((e) => e["event_type"] === "annotation"),
  );
  child.stdin.write("\n");
  await child.stdin.end();
  expect(await child.exited).toBe(0);
  return (await sandbox.list()).find((s) => s.session_id === session_id)!;
}

export function executable(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}
