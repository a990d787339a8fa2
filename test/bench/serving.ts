/**
 * What benchmarks of the server share: servers in homes of their own, load on
 * them from another process, and what both cost.
 */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Load } from "./load.ts";

export const CLIENTS = 64;
export const binary = join(import.meta.dir, "../../dist/session-buddy");
export const folder = mkdtempSync(join(tmpdir(), "session-buddy-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

export interface Serving {
  url: string;
  child: Bun.Subprocess;
}

export function homeOf(name: string): string {
  const home = join(folder, name);
  mkdirSync(home);
  return home;
}

function environment(home: string): Record<string, string> {
  const cache = join(folder, "cache");
  return { HOME: home, PATH: process.env["PATH"]!, XDG_CACHE_HOME: cache };
}

/** @returns milliseconds from its start to its end */
export function run(home: string, args: string[], program = binary): number {
  const begun = performance.now();
  const { exitCode } = Bun.spawnSync([program, ...args], {
    env: environment(home),
    cwd: home,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ms = performance.now() - begun;
  if (exitCode !== 0)
    throw new Error(`${args.join(" ")} ended with ${exitCode}`);
  return ms;
}

/** The address that a process says once it serves. */
export async function firstAddress(
  stream: ReadableStream<Uint8Array>,
  ready: RegExp,
) {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let said = "";
  while (!ready.test(said)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`it does not serve: ${said}`);
    said += decoder.decode(value, { stream: true });
  }
  reader.releaseLock();
  return /http:\/\/\S+/.exec(said)![0];
}

export async function serve(home: string, program = binary): Promise<Serving> {
  const child = Bun.spawn([program, "mcp", "start", "--port", "auto"], {
    env: environment(home),
    cwd: home,
    stdio: ["ignore", "ignore", "pipe"],
  });
  return { child, url: await firstAddress(child.stderr, /ready \(/) };
}

export async function stop({ child }: Serving): Promise<void> {
  child.kill("SIGTERM");
  await child.exited;
}

export function healthOf({ url }: Serving): string {
  return url.replace("/mcp", "/health");
}

export function cpuNanoseconds(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const spent = (task: string) =>
    Number(
      readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0],
    );
  return tasks.reduce((sum, task) => sum + spent(task), 0);
}

/** What is sent: until both so many seconds and so many calls are over. */
export interface Work {
  /** A call; 0 for single calls. */
  events: number;
  seconds?: number;
  calls?: number;
}

/** A load, and what it cost the server for each event or call. */
export interface Measured extends Load {
  cpu_us: number;
}

export async function measured(server: Serving, work: Work): Promise<Measured> {
  const { pid } = server.child;
  const before = cpuNanoseconds(pid);
  const load = await loaded(server, work);
  const spent = cpuNanoseconds(pid) - before;
  const count = load.calls * Math.max(1, work.events);
  return { ...load, cpu_us: spent / 1_000 / count };
}

export async function loaded(
  { url }: Serving,
  { events, seconds = 0, calls = 0 }: Work,
): Promise<Load> {
  const args = [url, CLIENTS, events, seconds, calls].map(String);
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "load.ts"), ...args],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  return (await new Response(child.stdout).json()) as Load;
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

/** How long /health takes while something else goes on. */
export async function probed(
  server: Serving,
  other: Promise<unknown>,
): Promise<number[]> {
  let going = true;
  void other.finally(() => (going = false));
  const took: number[] = [];
  while (going) {
    const asked = performance.now();
    await (await fetch(healthOf(server))).text();
    took.push(performance.now() - asked);
    await Bun.sleep(5);
  }
  return took;
}

export function say(what: string, value: string, budget = ""): void {
  const bound = budget && `   budget ${budget}`;
  console.log(`${what.padEnd(32)} ${value}${bound}`);
}
