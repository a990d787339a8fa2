/** What a session knows of where, by whom and what was started. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, release } from "node:os";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox, type SessionJson } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import { gone, until } from "../support/wait.ts";

function executable(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

/** A folder that is the child's whole PATH, with these programs in it. */
function pathOf(sandbox: Sandbox, ...programs: string[]): string {
  const folder = join(sandbox.home, "path");
  mkdirSync(folder, { recursive: true });
  for (const name of programs)
    symlinkSync(Bun.which(name)!, join(folder, name));
  return folder;
}

/** The only session there is, with its metadata found out. */
async function recorded(
  sandbox: Sandbox,
  args: string[],
  env: Record<string, string | undefined> = {},
): Promise<SessionJson> {
  const before = new Set((await sandbox.list()).map((s) => s.session_id));
  const { exitCode, stderr } = await sandbox.run(["shell", ...args], { env });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return (await sandbox.list()).find((s) => !before.has(s.session_id))!;
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

test("who, where and what: as the system's own programs say", async () => {
  using sandbox = new Sandbox();
  const script = "echo pids=$$,$PPID.; tty; pwd -P; read -r _";
  await using pty = new Pty(
    sandbox,
    [BINARY, "shell", "--quiet", "--", "sh", "-c", script],
    { cwd: "/usr/share" },
  );
  const [, pid, ppid] = (await pty.expect(/pids=(\d+),(\d+)\./)).map(Number);
  const tty = (await pty.expect(/\/dev\/pts\/\d+/))[0];
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
});

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

test("the version is the wrapped shell's own", async () => {
  if (!needs("bash", "zsh", "fish")) return;
  using sandbox = new Sandbox();
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout } = await sandbox.command([shell, "--version"]);
    const session = await recorded(sandbox, ["--", shell, "-c", "true"]);
    expect(session.shell_type).toBe(shell);
    const { version } = session.metadata;
    expect(version).toMatch(/^\d+\.\d/);
    expect(stdout).toContain(version as string);
    expect(session.metadata["shell_version"]).toBe(version!);
  }
  expect(
    (await recorded(sandbox, ["--", "true"])).metadata["version"],
  ).toBeNull();
});

test("the version of a login shell is that of $SHELL, not of a namesake on PATH", async () => {
  using sandbox = new Sandbox();
  const folder = join(sandbox.home, "own");
  mkdirSync(folder);
  executable(
    join(folder, "bash"),
    '#!/bin/sh\n[ "$1" = --version ] && echo "GNU bash, version 9.8.7-own"\nexit 0\n',
  );
  const env = { SHELL: join(folder, "bash") };
  for (const flags of [[], ["-l"]]) {
    const session = await recorded(sandbox, flags, env);
    expect(session.metadata["version"]).toBe("9.8.7-own");
  }
});

test("a version that nobody tells in time is null, and holds nothing up for long", async () => {
  using sandbox = new Sandbox();
  executable(
    join(sandbox.home, "bash"),
    '#!/bin/sh\n[ "$1" = --version ] && echo $$ > "$HOME/asked" && exec sleep 1000\nexit 0\n',
  );
  const session = await recorded(sandbox, ["--", join(sandbox.home, "bash")]);
  expect(session).toMatchObject({
    status: "ended",
    metadata: { version: null },
  });
  await gone(Number(readFileSync(join(sandbox.home, "asked"), "utf8")));
});

test("given metadata wins: --meta over profile over what was found out", async () => {
  using sandbox = new Sandbox();
  const folder = join(sandbox.home, ".config/session-buddy");
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "config.yaml"),
    "profiles:\n  crew:\n    metadata: {adapters: [prefect, agno], version: '7.0', command_tree_size: 3, cli_preprocessing_enabled: true, tab_completion_enabled: true}\n",
  );
  const command = ["--", "sh", "-c", "true"];
  const found = (await recorded(sandbox, command)).metadata;
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
  const count = async (PATH: string, command: string) =>
    (await recorded(sandbox, ["--", "/bin/sh", "-c", command], { PATH }))
      .metadata["command_tree_size"];
  // The session is long when the count is on record before it ends.
  const long = `while ! grep -q '"event_type":"annotation"' "$HOME"/.local/share/session-buddy/spool/*/$SESSION_BUDDY_SESSION_ID.ndjson; do :; done`;
  const PATH = `${path}:${more}:relative::${path}/:/nonexistent:/usr/bin/../bin/grep`;
  const longer = long.replace("grep", "/bin/grep");
  expect(await count(PATH, "exit")).toBe(2);
  expect(await count(PATH, longer)).toBe(2);
  executable(join(more, "new"), "#!/bin/sh\n");
  executable(join(more, "sleep"), "#!/bin/sh\n");
  writeFileSync(join(more, "no-program"), "");
  mkdirSync(join(more, "folder"));
  symlinkSync("folder", join(more, "link-to-folder"));
  symlinkSync("nowhere", join(more, "link-to-nothing"));
  expect(await count(PATH, "exit")).toBe(3);
  expect(await count(PATH, longer)).toBe(3);
  chmodSync(join(more, "new"), 0o644);
  expect(await count(PATH, longer)).toBe(2);
  expect(await count(PATH, "exit")).toBe(2);
  rmSync(join(path, "sh"));
  expect(await count(PATH, "exit")).toBe(1);
});

test("a wrapped python tells its version", async () => {
  if (!needs("/usr/bin/python3")) return;
  using sandbox = new Sandbox();
  const python = [
    "/usr/bin/python3",
    "-c",
    "import platform; print(platform.python_version())",
  ];
  const version = (await sandbox.command(python)).stdout.trim();
  const session = await recorded(sandbox, [
    "--",
    "/usr/bin/python3",
    "-c",
    "pass",
  ]);
  expect(session).toMatchObject({
    python_version: version,
    shell_type: "python",
    component_name: "python",
    metadata: { version },
  });
  expect(
    (await recorded(sandbox, ["--", "bash", "-c", ":"])).python_version,
  ).toBeNull();
});

test("python -m PACKAGE tells the package's version, also under another name", async () => {
  if (!needs("/usr/bin/python3")) return;
  using sandbox = new Sandbox();
  const site = join(sandbox.home, "site");
  for (const [module, distribution, version] of [
    ["crewtool", "crewtool", "3.2.1"],
    ["othername", "Some-Distribution", "0.9.0rc1"],
  ] as const) {
    const info = join(
      site,
      `${distribution.replace("-", "_")}-${version}.dist-info`,
    );
    mkdirSync(info, { recursive: true });
    mkdirSync(join(site, module));
    writeFileSync(join(site, module, "__init__.py"), "");
    writeFileSync(join(site, module, "__main__.py"), "");
    writeFileSync(
      join(info, "METADATA"),
      `Metadata-Version: 2.1\nName: ${distribution}\nVersion: ${version}\n`,
    );
    writeFileSync(join(info, "top_level.txt"), `${module}\n`);
    const args = ["--", "/usr/bin/python3", "-m", module, "shell"];
    const session = await recorded(sandbox, args, { PYTHONPATH: site });
    expect(session).toMatchObject({
      component_name: module,
      metadata: { version },
    });
    expect(session.python_version).toMatch(/^3\./);
  }
  writeFileSync(join(site, "bare.py"), "");
  const args = ["--", "/usr/bin/python3", "-m", "bare"];
  const bare = await recorded(sandbox, args, { PYTHONPATH: site });
  expect(bare.metadata["version"]).toBeNull();
  expect(bare.python_version).toMatch(/^3\./);
});
