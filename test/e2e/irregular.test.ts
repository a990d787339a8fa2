/**
 * A FIFO, a folder, a device or a socket where one of our files belongs, or where
 * one is given: no command hangs, and each says so in one sentence that names it.
 */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { configure, expectFailure, needsRoot, plant } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";

const KINDS: Record<string, (path: string) => string[]> = {
  FIFO: (path) => ["mkfifo", "-m", "600", path],
  folder: (path) => ["mkdir", "-m", "700", path],
  device: (path) => ["mknod", "-m", "600", path, "c", "1", "3"],
  socket: (path) => [
    ...["python3", "-c"],
    `import os, socket
os.chdir("${dirname(path)}")
socket.socket(socket.AF_UNIX).bind("${path.slice(dirname(path).length + 1)}")`,
  ],
};

interface Place {
  /** Below the home. */
  at: (sandbox: Sandbox) => string;
  /** Commands that need it. */
  refused: string[];
  /** Exit status of those. */
  status: number;
  /** Commands that go on without it. */
  works?: string[];
  yaml?: (sandbox: Sandbox) => string;
}

const RESTORE = "restore --yes good";
const START = "mcp start --port auto";
const SHELL = "shell -- true";
const inHome = (name: string) => (sandbox: Sandbox) => join(sandbox.home, name);
const inData = (name: string) => (sandbox: Sandbox) => join(sandbox.data, name);

const PLACES: Record<string, Place> = {
  database: {
    at: inData("sessions.duckdb"),
    refused: ["list-sessions", "drain", "backup b", RESTORE, START],
    status: 6,
    works: [SHELL],
  },
  "write-ahead log": {
    at: inData("sessions.duckdb.wal"),
    refused: ["list-sessions", "backup b", RESTORE, START],
    status: 6,
    works: [SHELL],
  },
  "copy for a checkpoint": {
    at: inData("sessions.duckdb.checkpoint"),
    refused: ["list-sessions", "backup b", RESTORE, START],
    status: 6,
    works: [SHELL],
  },
  "store.lock": {
    at: inData("store.lock"),
    refused: [
      ...["list-sessions", "drain", RESTORE, START],
      ...["mcp status", "mcp stop", "mcp health"],
    ],
    status: 6,
    works: [SHELL],
  },
  "drain.lock": {
    at: (sandbox) => join(sandbox.spool, "drain.lock"),
    refused: ["drain"],
    status: 6,
    works: [SHELL],
  },
  "spool file": {
    at: (sandbox) => join(sandbox.spool, "sh-20260206-123456-0000beef.ndjson"),
    refused: [],
    status: 0,
    works: ["list-sessions", "drain", SHELL],
  },
  "server.log": {
    at: inHome("logs/server.log"),
    refused: ["mcp logs"],
    status: 6,
  },
  configuration: {
    at: inHome(".config/session-buddy/config.yaml"),
    refused: ["list-sessions", "mcp status", START],
    status: 5,
    works: [SHELL],
  },
  "given configuration": {
    at: inHome("given.yaml"),
    refused: ["list-sessions --config given.yaml"],
    status: 5,
    works: ["shell --config given.yaml -- true"],
  },
  secret: {
    at: inHome("secret"),
    refused: ["token", START],
    status: 5,
    works: [SHELL],
    yaml: ({ home }) => `auth: {secret_file: ${home}/secret}`,
  },
  backup: { at: inHome("in"), refused: ["restore --yes in"], status: 64 },
  "backup's log": { at: inHome("good.wal"), refused: [RESTORE], status: 6 },
};

const CASES = Object.keys(PLACES).flatMap((place) =>
  Object.keys(KINDS).map((kind) => [kind, place] as const),
);

test.each(CASES)(
  "a %s in the place of the %s holds nothing up",
  async (kind, place) => {
    if (kind === "device" && !needsRoot()) return;
    if (!needs("python3", "mkfifo")) return;
    const { at, refused, status, works = [], yaml } = PLACES[place]!;
    using sandbox = new Sandbox();
    plant(sandbox, [{}]);
    expect((await sandbox.run(["backup", "good"])).exitCode).toBe(0);
    if (yaml) configure(sandbox, yaml(sandbox));
    const path = at(sandbox);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    rmSync(path, { force: true });
    expect(Bun.spawnSync(KINDS[kind]!(path)).exitCode).toBe(0);
    const env = { SESSION_BUDDY_LOG_DIR: join(sandbox.home, "logs") };
    for (const command of refused) {
      const run = await sandbox.run(command.split(" "), { env });
      expect([command, run.signal, run.exitCode]).toEqual([
        ...[command, null, status],
      ]);
      expectFailure(run, status, /'[^']+' is (not a regular|no) file/);
      expect(run.stderr).toContain(`'${path}'`);
    }
    for (const command of works) {
      const run = await sandbox.run(command.split(" "), { env });
      expect([command, run.signal, run.exitCode]).toEqual([command, null, 0]);
      expect(run.stderr).not.toContain("internal error");
    }
    // Whatever it finds, it comes to its end.
    const doctor = await sandbox.run(["doctor"], { env });
    expect(doctor.signal).toBeNull();
    expect(doctor.stdout).not.toContain("unexpected:");
    expect(existsSync(path)).toBeTrue();
  },
  400_000,
);

test.each(Object.keys(KINDS).filter((kind) => kind !== "folder"))(
  "a %s in the place of the data folder: doctor says what stands there",
  async (kind) => {
    if (kind === "device" && !needsRoot()) return;
    using sandbox = new Sandbox();
    mkdirSync(dirname(sandbox.data), { recursive: true });
    expect(Bun.spawnSync(KINDS[kind]!(sandbox.data)).exitCode).toBe(0);
    const doctor = await sandbox.run(["doctor"]);
    expect([doctor.exitCode, doctor.signal]).toEqual([4, null]);
    expect(doctor.stdout).not.toContain("unexpected:");
    expect(doctor.stdout).toContain(sandbox.data);
    const list = await sandbox.run(["list-sessions"]);
    expectFailure(list, 6, /is not a folder of its own/);
  },
);
