/** A server that does not answer is told of, and one that is at work is waited for. */
import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Watchdog } from "../../src/store/remote/unresponsive.ts";
import { readUntil } from "../support/server.ts";

const TIMES = { calm_ms: 20, probe_ms: 100 };
const home = mkdtempSync(join(tmpdir(), "sb-watchdog-"));
const started: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
});
afterAll(() => rmSync(home, { recursive: true }));

/** A server that takes connections and answers none, for what it does. */
async function serverThat(does: string) {
  const socket = join(home, crypto.randomUUID());
  const script = `require("node:net").createServer().listen(${JSON.stringify(socket)}, () => {
    require("node:fs").writeSync(1, "up\\n");
    ${does}
  })`;
  const child = Bun.spawn([process.execPath, "-e", script], {
    stdout: "pipe",
  });
  started.push(child);
  expect(await readUntil(child.stdout, /up\n/)).toBe("up\n");
  return { socket, pid: child.pid };
}

const aborted = ({ signal }: Watchdog) =>
  new Promise<Error>((resolve) => {
    signal.addEventListener("abort", () => resolve(signal.reason as Error));
  });

test("one that hangs is told of, one that works is not", async () => {
  const working = await serverThat("for (;;);");
  const hanging = await serverThat(
    "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);",
  );
  using patient = new Watchdog(working, TIMES);
  for (let times = 0; times < 3; times++) {
    using watchdog = new Watchdog(hanging, TIMES);
    expect((await aborted(watchdog)).message).toContain(
      `the server (pid ${hanging.pid}) does not answer`,
    );
  }
  expect(patient.signal.aborted).toBe(false);
  process.kill(working.pid, "SIGSTOP");
  expect((await aborted(patient)).message).toContain("is stopped, by a signal");
});

test("one that works for very long is told of, too", async () => {
  const working = await serverThat("for (;;);");
  using watchdog = new Watchdog(working, { calm_ms: 1, probe_ms: 10 });
  expect((await aborted(watchdog)).message).toContain(
    "is at work, and has not",
  );
});
