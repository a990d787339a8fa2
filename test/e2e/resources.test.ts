/**
 * What sessions have used: of the program's own processes and of its descendants, at
 * heartbeats and at the end, as the programs themselves were told by the kernel.
 */
import { expect, test } from "bun:test";
import { existsSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "../../src/model/event.ts";
import { configure, needsRoot } from "../support/host.ts";
import { recorded } from "../support/recorded.ts";
import {
  BINARY,
  NO_JIT,
  Sandbox,
  type SessionJson,
} from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { gone, until } from "../support/wait.ts";

const PYTHON = "/usr/bin/python3";
const MIB = 1024 * 1024;

/** Seconds of CPU, of one's own. */
const BURNS = 0.4;
const BURN = `import os
def burn(seconds):
    while sum(os.times()[:2]) < seconds: pass
burn(${BURNS})`;
const HOG = "memory = bytearray(200 << 20)";
/** Waits until the wrapper has written down what it saw of us as we are now. */
const SEEN = `import glob, os, time
[file] = glob.glob(os.environ["HOME"] + "/.local/share/session-buddy/spool/*/" + os.environ["SESSION_BUDDY_SESSION_ID"] + ".ndjson")
looks = lambda: open(file).read().count("wall_" + "seconds")
before = looks()
while looks() == before: time.sleep(0.01)`;
const TMPFS = 0x01021994;
/** It counts in steps of 10 ms, user and system each. */
const STEP = 0.03;

interface Part extends JsonObject {
  cpu_user_seconds: number;
  cpu_system_seconds: number;
  max_rss_bytes: number | null;
}

interface Usage {
  measured_by: string | null;
  max_rss_measured_by?: string | null;
  wall_seconds: number;
  processes?: number;
  complete?: boolean;
  read_bytes: number | null;
  written_bytes: number | null;
  shell?: Part;
  descendants?: Part;
  escaped?: Part & { processes: number };
}

const usageOf = ({ metadata }: SessionJson) =>
  metadata["resource_usage"] as unknown as Usage;
const cpuOf = (part: { [key: string]: unknown }) =>
  Number(part["cpu_user_seconds"]) + Number(part["cpu_system_seconds"]);

const JITS: [string, Record<string, string>][] = [
  ["", {}],
  [", without the JIT", NO_JIT],
];

test("a program's child burns: it is its descendants' own", async () => {
  if (!needs(PYTHON)) return;
  using sandbox = new Sandbox();
  const script = `${PYTHON} -c '${BURN}'; :`;
  const session = await recorded(sandbox, ["--", "sh", "-c", script]);
  const { measured_by, shell, descendants } = usageOf(session);
  expect(measured_by).toBe("wait4");
  expect(cpuOf(descendants!)).toBeGreaterThan(BURNS - STEP);
  expect(cpuOf(shell!)).toBeLessThan(BURNS / 2);
  const all = cpuOf(session.metadata);
  const parts = cpuOf(shell!) + cpuOf(descendants!);
  expect(Math.abs(all - parts)).toBeLessThan(2 * STEP);
});

test("a program burns by itself, and reads and writes: it is its own", async () => {
  if (!needs(PYTHON)) return;
  using sandbox = new Sandbox();
  // The others' part is told apart once the program was looked at.
  configure(sandbox, "session: {heartbeat: 100ms}\n");
  const script = `${BURN}
with open("block", "wb") as block:
    block.write(b"x" * (4 << 20))
    os.fsync(block.fileno())
${SEEN}
os.wait() if os.fork() else os._exit(0)`;
  const session = await recorded(sandbox, ["--", PYTHON, "-c", script]);
  const { shell, descendants, written_bytes } = usageOf(session);
  expect(cpuOf(shell!)).toBeGreaterThan(BURNS - STEP);
  expect(cpuOf(descendants!)).toBeLessThan(BURNS / 2);
  // In memory alone nothing is written, and of who is over root alone may know.
  if (statfsSync(sandbox.home).type !== TMPFS && process.geteuid!() === 0) {
    expect(written_bytes!).toBeGreaterThanOrEqual(4 * MIB);
    expect(shell!["written_bytes"]!).toBeGreaterThanOrEqual(4 * MIB);
    expect(descendants!["written_bytes"]!).toBeLessThan(4 * MIB);
  }
});

test.each(JITS)(
  "the peak is the program's, however large who started the wrapper was%s",
  async (_, env) => {
    if (!needs(PYTHON)) return;
    using sandbox = new Sandbox();
    const script = `import subprocess, sys
memory = bytearray(400 << 20)
sys.exit(subprocess.call(sys.argv[1:]))`;
    const hog = ["sh", "-c", `${PYTHON} -c '${HOG}'; :`];
    const words = ["-c", script, BINARY, "shell", "--", ...hog];
    const run = await sandbox.command([PYTHON, ...words], { env });
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    const peak = (await sandbox.only()).metadata["max_rss_bytes"] as number;
    expect(peak).toBeGreaterThan(200 * MIB);
    expect(peak).toBeLessThan(300 * MIB);
  },
);

test.each(JITS)(
  "a child of 200 MB that is gone at the end is the peak%s",
  async (_, env) => {
    if (!needs(PYTHON)) return;
    using sandbox = new Sandbox();
    const script = `${PYTHON} -c '${HOG}'; :`;
    const session = await recorded(sandbox, ["--", "sh", "-c", script], env);
    const peak = session.metadata["max_rss_bytes"] as number;
    expect(peak).toBeGreaterThan(200 * MIB);
    expect(peak).toBeLessThan(300 * MIB);
    // A look may have met it just then, and the kernel counts a page more there.
    expect(usageOf(session).max_rss_measured_by).toBeOneOf(["wait4", "proc"]);
    expect(usageOf(session).shell?.max_rss_bytes ?? 0).toBeLessThan(50 * MIB);
  },
);

test.each(JITS)(
  "a program below our own size has the peak that was seen of it%s",
  async (_, env) => {
    if (!needs(PYTHON)) return;
    using sandbox = new Sandbox();
    configure(sandbox, "session: {heartbeat: 100ms}\n");
    const script = `${SEEN}
text = open("/proc/self/status").read().split("VmHWM:")[1]
open("peak", "w").write(text.split()[0])`;
    const session = await recorded(sandbox, ["--", PYTHON, "-c", script], env);
    const told = readFileSync(join(sandbox.home, "peak"), "utf8");
    const own = Number(told) * 1024;
    const peak = session.metadata["max_rss_bytes"] as number;
    expect(usageOf(session).max_rss_measured_by).toBe("proc");
    expect(peak).toBeGreaterThan(own / 2);
    expect(peak).toBeLessThan(own * 1.5);
  },
);

test.each(JITS)(
  "a program that is over at once has no peak that is ours%s",
  async (_, env) => {
    using sandbox = new Sandbox();
    const session = await recorded(sandbox, ["--", "true"], env);
    const peak = session.metadata["max_rss_bytes"] as number | null;
    const { max_rss_measured_by, measured_by, read_bytes } = usageOf(session);
    // On a busy machine it may take so long that it is seen.
    expect(max_rss_measured_by).toBe(peak === null ? null : "proc");
    expect(peak ?? 0).toBeLessThan(16 * MIB);
    expect({ measured_by, known: read_bytes !== null }).toEqual({
      ...{ measured_by: "wait4", known: true },
    });
    expect(session.metadata["cpu_user_seconds"]).toBeNumber();
  },
);

test("show-session says each once, for people", async () => {
  if (!needs(PYTHON)) return;
  using sandbox = new Sandbox();
  await recorded(sandbox, ["--", "sh", "-c", `${PYTHON} -c '${BURN}'; :`]);
  const { stdout } = await sandbox.run(["show-session"]);
  expect(stdout).toMatch(
    /^ {2}resource_usage:\n {4}measured_by: wait4\n(?: {4}\w+: [^\n{]+\n)* {4}shell: cpu_user \S+ s, cpu_system \S+ s[^\n]*\n {4}descendants: cpu_user 0\.\S+ s, /m,
  );
  expect(stdout.match(/^ *cpu_user:/gm)).toHaveLength(1);
});

test("in another pid namespace's /proc nobody is looked at: it is what the kernel tells", async () => {
  if (!needsRoot(PYTHON)) return;
  using sandbox = new Sandbox();
  configure(sandbox, "session: {heartbeat: 50ms}\n");
  const done = await sandbox.command([
    ...["unshare", "--pid", "--fork", BINARY, "shell", "--"],
    ...["sh", "-c", `${PYTHON} -c '${BURN}'; exit 3`],
  ]);
  expect(done).toMatchObject({ exitCode: 3, stderr: "" });
  const session = await sandbox.only();
  expect(cpuOf(session.metadata)).toBeGreaterThan(BURNS - STEP);
  const { shell, descendants, max_rss_measured_by } = usageOf(session);
  expect({ shell, descendants }).toEqual({} as never);
  expect(max_rss_measured_by).not.toBe("proc");
});

/** The last annotation of a session's usage. */
function lastLook(sandbox: Sandbox): Usage | undefined {
  const looks = sandbox
    .spooled()
    .map((event) => (event["measured"] ?? {}) as { resource_usage?: Usage })
    .flatMap(({ resource_usage }) => resource_usage ?? []);
  return looks.at(-1);
}

/** A wrapped program that waits to be killed, and what it started. */
function begin(sandbox: Sandbox, script: string) {
  configure(sandbox, "session: {heartbeat: 100ms}\n");
  return Bun.spawn([BINARY, "shell", "--", "bash", "-c", script], {
    env: sandbox.env,
    cwd: sandbox.home,
    stdio: ["ignore", "ignore", "inherit"],
  });
}

const pidIn = (sandbox: Sandbox, name: string) =>
  until(`a pid in ${name}`, () => {
    const file = join(sandbox.home, name);
    // It is empty for a moment; 0 would be ourselves.
    return existsSync(file) && (Number(readFileSync(file, "utf8")) || null);
  });

for (const server of [false, true])
  test(`of a wrapper that is killed the last look is kept${server ? ", with a server" : ""}`, async () => {
    if (!needs(PYTHON)) return;
    using sandbox = new Sandbox();
    await using _ = server ? await TestServer.start(sandbox) : null;
    const script = `${PYTHON} -c '${BURN}
open("hog", "w").write(str(os.getpid()))
${HOG}
import signal; signal.pause()' & echo $$ > own; wait`;
    const wrapper = begin(sandbox, script);
    const [own, hog] = await Promise.all([
      pidIn(sandbox, "own"),
      pidIn(sandbox, "hog"),
    ]);
    const seen = (usage: Usage | undefined) =>
      (usage?.descendants?.max_rss_bytes ?? 0) > 200 * MIB && usage;
    // A server takes the lines away to the database.
    const look = await until("a look at the child", async () =>
      seen(usageOf((await sandbox.list())[0]!)),
    );
    expect(look).toMatchObject({ measured_by: "proc", processes: 2 });
    expect(cpuOf(look.descendants!)).toBeGreaterThan(BURNS - STEP);
    expect(cpuOf(look.shell!)).toBeLessThan(BURNS / 2);
    expect(await sandbox.only()).toMatchObject({ status: "active" });
    wrapper.kill("SIGKILL");
    await wrapper.exited;
    for (const pid of [hog, own]) process.kill(pid, "SIGKILL");
    await Promise.all([gone(hog), gone(own)]);
    const lost = await until("the loss to be found", async () => {
      const session = await sandbox.only();
      return session.status === "lost" && session;
    });
    expect(seen(usageOf(lost))).toMatchObject({ measured_by: "proc" });
    expect(lost.metadata["max_rss_bytes"]).toBeNull();
  });

test("a descendant that leaves the tree is told apart, while it runs and when it is over", async () => {
  if (!needs(PYTHON)) return;
  using sandbox = new Sandbox();
  const script = `(${PYTHON} -c '${BURN}
open("daemon", "w").write(str(os.getpid()))
import signal; signal.pause()' & read -r line < go); echo $$ > own; read -r line < go`;
  Bun.spawnSync(["mkfifo", join(sandbox.home, "go")]);
  const wrapper = begin(sandbox, script);
  const daemon = await pidIn(sandbox, "daemon");
  await until("a look at it in the tree", () => {
    const look = lastLook(sandbox);
    return look && cpuOf(look.descendants!) > BURNS - STEP;
  });
  writeFileSync(join(sandbox.home, "go"), "\n");
  const look = await until("a look at it outside", () => {
    const usage = lastLook(sandbox);
    return usage?.escaped && usage;
  });
  expect(look.escaped!.processes).toBe(1);
  expect(cpuOf(look.escaped!)).toBeGreaterThan(BURNS - STEP);
  expect(cpuOf(look.descendants!)).toBeLessThan(BURNS / 2);
  process.kill(daemon, "SIGKILL");
  await gone(daemon);
  writeFileSync(join(sandbox.home, "go"), "\n");
  expect(await wrapper.exited).toBe(0);
  const end = usageOf(await sandbox.only());
  expect(end.escaped!.processes).toBe(1);
  expect(cpuOf(end.escaped!)).toBeGreaterThan(BURNS - STEP);
  expect(cpuOf(end.descendants!)).toBeLessThan(BURNS / 2);
});

test("a job that is left behind at the end has escaped", async () => {
  if (!needs(PYTHON)) return;
  using sandbox = new Sandbox();
  const script = `${PYTHON} -c '${BURN}
open("job", "w").write(str(os.getpid()))
import signal; signal.pause()' & read -r line < go; exit 5`;
  Bun.spawnSync(["mkfifo", join(sandbox.home, "go")]);
  const wrapper = begin(sandbox, script);
  const job = await pidIn(sandbox, "job");
  await until("a look at it", () => {
    const look = lastLook(sandbox);
    return look && cpuOf(look.descendants!) > BURNS - STEP;
  });
  writeFileSync(join(sandbox.home, "go"), "\n");
  expect(await wrapper.exited).toBe(5);
  const { escaped, descendants } = usageOf(await sandbox.only());
  process.kill(job, "SIGKILL");
  expect(escaped!.processes).toBe(1);
  expect(cpuOf(escaped!)).toBeGreaterThan(BURNS - STEP);
  expect(cpuOf(descendants!)).toBeLessThan(BURNS / 2);
});
