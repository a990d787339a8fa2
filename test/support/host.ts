/**
 * Hosts as they may be: disks that are full, read-only or noexec, another
 * /etc. All mounts are made in a mount namespace that ends with its command.
 */
import { expect } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spoolFolder } from "../../src/spool/write.ts";
import { BINARY, type Finished, type RunOptions } from "./sandbox.ts";
import type { Sandbox } from "./sandbox.ts";
import { needs } from "./tools.ts";

/** As `needs`, for a test that mounts or gives files away. */
export function needsRoot(...programs: string[]): boolean {
  if (process.geteuid!() === 0) return needs("unshare", ...programs);
  if (process.env["SESSION_BUDDY_REQUIRE_TOOLS"] === "1")
    throw new Error("this test needs root");
  console.error("not tested, not root");
  return false;
}

/** argv that runs a script where its mounts are its own. */
export function privately(script: string): string[] {
  const unshare = ["unshare", "-m", "--propagation", "private"];
  return [...unshare, "bash", "-euc", script];
}

export function runPrivately(
  sandbox: Sandbox,
  script: string,
  options?: RunOptions,
): Promise<Finished> {
  return sandbox.command(privately(script), options);
}

/** A script's beginning that gives the host a session-buddy configuration. */
export function etcWith(sandbox: Sandbox, yaml: string): string {
  const etc = join(sandbox.home, "etc");
  const file = join(sandbox.home, "etc.yaml");
  writeFileSync(file, yaml);
  return `cp -a /etc ${etc}
    mkdir -p ${etc}/session-buddy
    cp ${file} ${etc}/session-buddy/config.yaml
    mount --bind ${etc} /etc\n`;
}

/**
 * A script as a user without a passwd entry and without HOME; $SB is the
 * executable, the sandbox's home belongs to him.
 */
export function asUnknownUser(sandbox: Sandbox): (script: string) => string {
  const { home } = sandbox;
  return (script) => `chown 54321 ${home}; cd ${home}; touch sb
    mount --bind ${BINARY} sb
    export SB=${home}/sb XDG_CACHE_HOME=${home}/cache; unset HOME
    exec setpriv --reuid=54321 --regid=54321 --clear-groups bash -euc '${script}'`;
}

/** The user's configuration file. */
export function configure(sandbox: Sandbox, yaml: string): string {
  const folder = join(sandbox.home, ".config/session-buddy");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.yaml"), yaml);
  return join(folder, "config.yaml");
}

/** One sentence of ours on stderr that says what to do, and nothing on stdout. */
export function expectFailure(
  { exitCode, stdout, stderr }: Finished,
  status: number,
  sentence: RegExp,
): void {
  expect(stderr).toMatch(sentence);
  expect(stderr).toMatch(/^session-buddy: [^\n]+ \([^\n]+\)\n$/);
  expect(stderr).not.toMatch(/internal error|For more information/);
  expect({ exitCode, stdout }).toEqual({ exitCode: status, stdout: "" });
}

export interface Planted {
  component?: string;
  /** What is recorded as the component, when the id says another. */
  component_name?: string;
  /** The start, UTC ISO; the end is 90 s later. */
  at?: string;
  end_source?: "observed" | "recovered" | null;
  username?: string;
  session_type?: string;
  exit_code?: number | null;
  signal?: string | null;
  name?: string;
  cwd?: string;
  tags?: string[];
  shell_type?: string;
  metadata?: Record<string, unknown>;
}

/**
 * Sessions as a recorder would have spooled them, in one file.
 * @returns their ids
 */
export function plant(sandbox: Sandbox, sessions: Planted[]): string[] {
  const folder = spoolFolder(sandbox.data);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const ids: string[] = [];
  const lines: string[] = [];
  for (const session of sessions) {
    const { id, events } = eventsOf(session);
    ids.push(id);
    lines.push(...events.map((event) => `${JSON.stringify(event)}\n`));
  }
  const file = join(folder, `planted-${crypto.randomUUID()}.ndjson`);
  writeFileSync(file, lines.join(""), { mode: 0o600 });
  return ids;
}

function eventsOf(session: Planted): { id: string; events: object[] } {
  const { component = "planted", at = "2026-02-06T11:34:56.000Z" } = session;
  const event_id = crypto.randomUUID();
  const stamp = at.slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  const id = `${component}-${stamp}-${event_id.slice(0, 8)}`;
  const base = { event_version: "1.0", session_id: id };
  const start = {
    ...{ ...base, event_id, event_type: "session_start", timestamp: at },
    ...{ session_type: session.session_type ?? "admin_shell" },
    component_name: session.component_name ?? component,
    ...{ shell_type: session.shell_type ?? "bash" },
    ...{ hostname: "host", pid: 4711 },
    user: { username: session.username ?? "les", home: "/home/les" },
    environment: {
      python_version: null,
      platform: "Linux",
      cwd: session.cwd ?? "/srv",
    },
    ...{ name: session.name ?? null, tags: session.tags ?? [] },
    metadata: session.metadata ?? {},
  };
  const end_source =
    session.end_source === undefined ? "observed" : session.end_source;
  if (end_source === null) return { id, events: [start, aliveOf(base, at)] };
  const end = {
    ...{ ...base, event_id: Bun.randomUUIDv7(), event_type: "session_end" },
    timestamp: new Date(Date.parse(at) + 90_000).toISOString(),
    ...{ end_source, exit_code: session.exit_code ?? null },
    signal: session.signal ?? null,
  };
  return { id, events: [start, end] };
}

/** A child of which nobody can know whether it lives. */
function aliveOf(base: object, timestamp: string): object {
  return {
    ...{ ...base, event_id: Bun.randomUUIDv7(), event_type: "process" },
    ...{ timestamp, pid: 4712, ppid: 4711, start_ticks: null },
    ...{ pid_namespace: null, boot_id: null },
  };
}
