/** A program of a parent that was killed is not over before it has begun. */
import { expect, test } from "bun:test";
import { openSync, closeSync } from "node:fs";
import { join } from "node:path";
import {
  type Liveness,
  childLiveness,
  identityOf,
} from "../../src/os/liveness.ts";
import {
  bootId,
  exists,
  pidNamespace,
  processStat,
} from "../../src/os/proc.ts";
import { Sandbox } from "../support/sandbox.ts";
import { childrenOf, gone, until } from "../support/wait.ts";

const ENTRY = "SESSION_BUDDY_TEST_CHILD=of-a-parent-that-was-killed";

/** Starts `sleep`, whose first file is a pipe that nobody writes to: until then it has not become it. */
const PARENT = `
import { CStrings, cText } from "${import.meta.dir}/../../src/os/layout.ts";
import { libc } from "${import.meta.dir}/../../src/os/libc.ts";
import { environment, setVariable } from "${import.meta.dir}/../../src/os/spawn.ts";
const [pipe, name, value] = process.argv.slice(-3);
setVariable(libc, name, value);
const actions = new Uint8Array(512);
libc.calls.posix_spawn_file_actions_init(actions);
const path = cText(pipe);
libc.calls.posix_spawn_file_actions_addopen(actions, 0, path, 0, 0);
const argv = new CStrings(["sleep", "100"].map((word) => new TextEncoder().encode(word)));
libc.calls.posix_spawnp(new Int32Array(1), cText("sleep"), actions, new Uint8Array(512), argv.pointers, environment(libc));
`;

test("a child that is no program yet when its parent is killed may live, then lives, and is gone with its end", async () => {
  using sandbox = new Sandbox();
  const pipe = join(sandbox.home, "pipe");
  Bun.spawnSync(["mkfifo", pipe]);
  const [name, value] = ENTRY.split("=");
  const left: number[] = [];
  const parent = Bun.spawn(
    [process.execPath, "-e", PARENT, pipe, name!, value!],
    { stderr: "inherit" },
  );
  using _left = {
    // What waits for its first file waits for ever.
    [Symbol.dispose]() {
      parent.kill("SIGKILL");
      for (const pid of left) if (exists(pid)) process.kill(pid, "SIGKILL");
    },
  };
  const child = await until("its child", () =>
    childrenOf(parent.pid).find((pid) => processStat(pid)?.forked),
  );
  left.push(child);
  const identity = identityOf({
    ...{ pid: parent.pid, start_ticks: processStat(parent.pid)!.start_ticks },
    ...{ pid_namespace: pidNamespace(), boot_id: bootId() },
  });
  parent.kill("SIGKILL");
  await parent.exited;
  expect(childLiveness(identity, ENTRY)).toBe("unknown");
  const end = openSync(pipe, "w");
  await until("the program", () => !processStat(child)!.forked);
  // In the midst of it nobody can tell, but never that there is none.
  const seen: Liveness[] = [];
  await until("it is seen", () => {
    seen.push(childLiveness(identity, ENTRY));
    return seen.includes("alive");
  });
  expect(seen).not.toContain("gone");
  closeSync(end);
  process.kill(child, "SIGKILL");
  await gone(child);
  expect(childLiveness(identity, ENTRY)).toBe("gone");
});
