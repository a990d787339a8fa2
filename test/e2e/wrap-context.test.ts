/** What a session knows of where, by whom and what was started. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, release } from "node:os";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import { executable, recorded, recordedLong } from "../support/recorded.ts";
import { BINARY, Sandbox, type SessionJson, WAYS } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

/** A folder that is the child's whole PATH, with these programs in it. */
function pathOf(sandbox: Sandbox, ...programs: string[]): string {
  const folder = join(sandbox.home, "path");
  mkdirSync(folder, { recursive: true });
  for (const name of programs)
    symlinkSync(Bun.which(name)!, join(folder, name));
  return folder;
}

/** The same at a terminal; `line` ends the program. */
async function atTerminal(
  sandbox: Sandbox,
  args: string[],
  line: string,
): Promise<SessionJson> {
  const before = new Set((await sandbox.list()).map((s) => s.session_id));
  await using pty = new Pty(sandbox, [BINARY, "shell", "--quiet", ...args]);
  if (line) pty.line(line);
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
  return (await sandbox.list()).find((s) => !before.has(s.session_id))!;
}

test.each(WAYS)(
  "who, where and what: as the system's own programs say$way",
  async ({ recorded }) => {
    using sandbox = new Sandbox(recorded);
    const script = "echo pids=$$,$PPID.; tty; pwd -P; read -r _";
    await using pty = new Pty(
      sandbox,
      [BINARY, "shell", "--quiet", "--", "sh", "-c", script],
      { cwd: "/usr/share" },
    );
    const [, pid, ppid] = (await pty.expect(/pids=(\d+),(\d+)\./)).map(Number);
    const own = (await pty.expect(/\/dev\/pts\/\d+/))[0];
    // Where the person is: with a terminal between, the program has another one.
    const tty = readlinkSync(`/proc/${pty.pid}/fd/0`);
    expect(own === tty).toBe(!recorded);
    await until(
      "the child's pid",
      async () => (await sandbox.only()).pid === pid,
    );
    const session = await sandbox.only();
    expect(session).toMatchObject({
      ...{ pid, ppid, tty, status: "active", shell_type: "sh" },
      username: (await sandbox.command(["id", "-un"])).stdout.trim(),
      hostname: hostname(),
      working_directory: "/usr/share",
      python_version: null,
    });
    expect(ppid).toBe(pty.pid);
    expect(session.platform).toStartWith(`Linux-${release()}-`);
    pty.line("");
    expect(await pty.ended()).toEqual({ code: 0, signal: null });
  },
);

test("without a terminal there is no tty; a folder reached by a link is named as it is", async () => {
  using sandbox = new Sandbox();
  mkdirSync(join(sandbox.home, "réal place"));
  symlinkSync("réal place", join(sandbox.home, "link"));
  await sandbox.command([BINARY, "shell", "--", "true"], {
    cwd: join(sandbox.home, "link"),
  });
  const session = await sandbox.only();
  expect(session.tty).toBeNull();
  expect(session.working_directory).toBe(join(sandbox.home, "réal place"));
});

test("where the user came from: ssh and sudo, and nothing when neither", async () => {
  using sandbox = new Sandbox();
  const env = {
    SSH_CONNECTION: "192.0.2.7 50022 192.0.2.1 22",
    SUDO_USER: "les",
  };
  const { metadata } = await recorded(sandbox, ["--", "true"], env);
  expect(metadata).toMatchObject({
    ssh_client: "192.0.2.7 50022",
    sudo_user: "les",
  });
  const client = { SSH_CONNECTION: "", SSH_CLIENT: "2001:db8::7 50023 22" };
  const older = await recorded(sandbox, ["--", "true"], client);
  expect(older.metadata["ssh_client"]).toBe("2001:db8::7 50023");
  const plain = await recorded(sandbox, ["--", "true"]);
  expect(plain.metadata).not.toHaveProperty("ssh_client");
  expect(plain.metadata).not.toHaveProperty("sudo_user");
});

test("given metadata wins: --meta over profile over what was found out", async () => {
  using sandbox = new Sandbox();
  const folder = join(sandbox.home, ".config/session-buddy");
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "config.yaml"),
    // So that what is found out is the first that comes after the start.
    "session: {heartbeat: 24h}\nprofiles:\n  crew:\n    metadata: {adapters: [prefect, agno], version: '7.0', command_tree_size: 3, cli_preprocessing_enabled: true, tab_completion_enabled: true}\n",
  );
  const command = ["--", "sh", "-c", "true"];
  const long = ["--", "sh", "-c", "read line"];
  const found = (await recordedLong(sandbox, long)).metadata;
  expect(found).toMatchObject({
    version: null,
    adapters: [],
    cli_preprocessing_enabled: false,
    tab_completion_enabled: false,
  });
  expect(found["command_tree_size"]).toBeGreaterThan(10);
  const profile = (await recorded(sandbox, ["--profile", "crew", ...command]))
    .metadata;
  expect(profile).toMatchObject({
    version: "7.0",
    adapters: ["prefect", "agno"],
    cli_preprocessing_enabled: true,
    tab_completion_enabled: true,
    command_tree_size: 3,
  });
  const meta = [
    'adapters=["one"]',
    "version=8.1-x",
    "command_tree_size=4",
    "ticket=4711",
  ];
  const flags = meta.flatMap((pair) => ["--meta", pair]);
  const given = (
    await recorded(sandbox, ["--profile", "crew", ...flags, ...command])
  ).metadata;
  expect(given).toMatchObject({
    version: "8.1-x",
    adapters: ["one"],
    cli_preprocessing_enabled: true,
    command_tree_size: 4,
    ticket: 4711,
  });
  expect(Object.keys(given).slice(0, 5)).toEqual(
    Object.keys(found).slice(0, 5),
  );
});

test("tab completion is where a shell that completes talks to a person", async () => {
  if (!needs("bash", "zsh", "fish")) return;
  using sandbox = new Sandbox();
  const enabled = ({ metadata }: SessionJson) =>
    metadata["tab_completion_enabled"];
  for (const argv of [
    ["bash", "--norc"],
    ["zsh", "-f"],
    ["fish", "--no-config"],
    ["/usr/bin/python3", "-q"],
  ]) {
    const line = argv[0]!.includes("python") ? "raise SystemExit" : "exit 0";
    expect([
      argv,
      enabled(await atTerminal(sandbox, ["--", ...argv], line)),
    ]).toEqual([argv, true]);
  }
  expect(enabled(await atTerminal(sandbox, ["--", "dash"], "exit 0"))).toBe(
    false,
  );
  expect(
    enabled(await atTerminal(sandbox, ["--", "bash", "-c", "true"], "")),
  ).toBe(false);
  expect(enabled(await atTerminal(sandbox, ["--", "true"], ""))).toBe(false);
  expect(enabled(await recorded(sandbox, ["--", "bash", "--norc"]))).toBe(
    false,
  );
});

test("the command tree counts distinct executables on PATH, and follows it", async () => {
  using sandbox = new Sandbox();
  const path = pathOf(sandbox, "sh", "sleep");
  const more = join(sandbox.home, "more");
  mkdirSync(more);
  const argv = (command: string) => ["--", "/bin/sh", "-c", command];
  // Of a session that ends at once there is none where the machine is busy, unless a
  // longer one has counted before: only the last one here is on its own.
  const count = (PATH: string, command: string) =>
    until(
      "a count",
      async () => {
        const { metadata } = await recorded(sandbox, argv(command), { PATH });
        return metadata["command_tree_size"];
      },
      300_000,
    );
  // The session is long when the count is on record before it ends.
  const long = `while ! grep -q '"event_type":"annotation"' "$HOME"/.local/share/session-buddy/spool/*/$SESSION_BUDDY_SESSION_ID.ndjson; do :; done`;
  const PATH = `${path}:${more}:relative::${path}/:/nonexistent:/usr/bin/../bin/grep`;
  const longer = long.replace("grep", "/bin/grep");
  expect(await count(PATH, longer)).toBe(2);
  expect(await count(PATH, "exit")).toBe(2);
  executable(join(more, "new"), "#!/bin/sh\n");
  executable(join(more, "sleep"), "#!/bin/sh\n");
  writeFileSync(join(more, "no-program"), "");
  mkdirSync(join(more, "folder"));
  symlinkSync("folder", join(more, "link-to-folder"));
  symlinkSync("nowhere", join(more, "link-to-nothing"));
  expect(await count(PATH, longer)).toBe(3);
  expect(await count(PATH, "exit")).toBe(3);
  chmodSync(join(more, "new"), 0o644);
  expect(await count(PATH, longer)).toBe(2);
  expect(await count(PATH, "exit")).toBe(2);
  rmSync(join(path, "sh"));
  expect(await count(PATH, "exit")).toBe(1);
});

test("a folder that was removed: the program runs there, and relative paths lead nowhere", async () => {
  using sandbox = new Sandbox();
  const folder = join(sandbox.home, "gone");
  const script = `mkdir "$1"; cd "$1"; rmdir "$1"
    "$0" shell -- sh -c 'readlink /proc/self/cwd; exit 3' <&-; echo $?
    "$0" list-sessions | wc -l
    "$0" backup copy.duckdb; echo $?`;
  const argv = ["bash", "-c", script, BINARY, folder];
  const done = await sandbox.command(argv);
  expect(done.stdout).toBe(`${folder} (deleted)\n3\n1\n64\n`);
  expect(done.stderr).toContain(
    "'copy.duckdb' leads nowhere: the working directory is gone",
  );
  expect((await sandbox.only()).working_directory).toBe(`${folder} (deleted)`);
});
