/**
 * Looks at trees of real processes: ones that come and go under the look, and ones that
 * are larger than it reads.
 */
import { expect, test } from "bun:test";
import { ProcessTree } from "../../src/os/process-tree.ts";
import { needs } from "../support/tools.ts";
import { processState, until } from "../support/wait.ts";

const PYTHON = "/usr/bin/python3";

/** Runs a program that says "up", then goes on until its input ends. */
async function tree(
  script: string,
): Promise<AsyncDisposable & { pid: number }> {
  const child = Bun.spawn([PYTHON, "-c", `import os, sys\n${script}`], {
    ...{ stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  });
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      await child.stdin.end();
      await child.exited;
    },
  };
}

/** The children wait for the pipe to be closed with which their parent waits for its input. */
const children = (count: number, then = "") => `
ends, begins = os.pipe()
for _ in range(${count}):
    if os.fork() == 0:
        os.close(begins); os.read(ends, 1); os._exit(0)
${then}
print("up", flush=True)
sys.stdin.read()
os.close(begins)
for _ in range(${count}): os.wait()`;

test("all of a tree are counted, each once, however often it is looked at", async () => {
  if (!needs(PYTHON)) return;
  await using root = await tree(children(20));
  const looks = new ProcessTree(root.pid);
  const whole = await until("a whole look", () => {
    const look = looks.look();
    return look?.complete && look;
  });
  expect(whole).toMatchObject({ processes: 21, escaped: null });
  expect(whole.root.max_rss_bytes).toBeGreaterThan(1024 * 1024);
  expect(whole.descendants.max_rss_bytes).toBeGreaterThan(1024 * 1024);
});

test("of a tree that is larger than a look reads, so many are read, and it says so", async () => {
  if (!needs(PYTHON)) return;
  await using root = await tree(children(400));
  const looks = new ProcessTree(root.pid);
  for (let n = 0; n < 5; n++) {
    const look = looks.look()!;
    expect(look.complete).toBe(false);
    expect(look.processes).toBeLessThanOrEqual(257);
    // Whom a look did not come to is not said to have left.
    expect(look.escaped).toBeNull();
  }
});

test("of many threads so many are asked, and it says so", async () => {
  if (!needs(PYTHON)) return;
  const threads = `import threading
for _ in range(60): threading.Thread(target=threading.Event().wait, daemon=True).start()`;
  await using root = await tree(children(1, threads));
  const look = new ProcessTree(root.pid).look()!;
  expect(look).toMatchObject({ complete: false, processes: 2 });
  // What threads have used that are over is their process's and nobody's own.
  expect(look.root).toMatchObject({ read_bytes: null, written_bytes: null });
  expect(look.descendants.read_bytes).toBeNull();
  expect(look.read_bytes).toBeNumber();
});

test("a child of another thread is a child", async () => {
  if (!needs(PYTHON)) return;
  const script = `import threading
def start():
    if os.fork() == 0:
        os.close(begins); os.read(ends, 1); os._exit(0)
    os.write(said, b"x"); threading.Event().wait()
ends, begins = os.pipe()
heard, said = os.pipe()
threading.Thread(target=start, daemon=True).start()
os.read(heard, 1)
print("up", flush=True)
sys.stdin.read()
os.close(begins)`;
  await using root = await tree(script);
  const looks = new ProcessTree(root.pid);
  await until("both", () => looks.look()?.processes === 2);
});

test("processes that vanish under a look disturb nobody", async () => {
  if (!needs(PYTHON)) return;
  const script = `import select
print("up", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    pid = os.fork()
    if pid == 0: os._exit(0)
    os.waitpid(pid, 0)`;
  await using root = await tree(script);
  const looks = new ProcessTree(root.pid);
  for (let n = 0; n < 300; n++) expect(looks.look()!.escaped).toBeNull();
  await until("what they have used", () => {
    const { root: own, descendants } = looks.look()!;
    return own.cpu_system_seconds + descendants.cpu_system_seconds > 0;
  });
});

test("of a root that is over there is no look, and an ending until it is waited for", async () => {
  if (!needs(PYTHON)) return;
  // Our child's child, which it does not wait for before we say so.
  const script = `
pid = os.fork()
if pid == 0: os._exit(0)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print("up", flush=True)
sys.stdin.read()
os.wait()`;
  let looks: ProcessTree;
  {
    await using root = await tree(script);
    const children = await Bun.file(
      `/proc/${root.pid}/task/${root.pid}/children`,
    ).text();
    const pid = Number(children.trim());
    expect(processState(pid)).toBeNull();
    looks = new ProcessTree(pid);
    expect(looks.look()).toBeNull();
    expect(looks.ending()).toMatchObject({
      root: { max_rss_bytes: null },
      descendants: { cpu_user_seconds: 0, cpu_system_seconds: 0 },
    });
  }
  expect(looks.ending()).toBeNull();
  expect(looks.left()).toBeNull();
});
