/**
 * Whoever prepares a folder that an admin visits, or an environment that he
 * inherits, does not get to run code in the recorder or to turn it off.
 */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { plant } from "../support/host.ts";
import { BINARY, type RunOptions, Sandbox } from "../support/sandbox.ts";

const OFF = "session: {enabled: false}\nstore: {path: /nonexistent/x.duckdb}\n";

/** A folder with everything in it that some tool would obey. */
function trap(sandbox: Sandbox): { folder: string; sprung: string } {
  const folder = join(sandbox.home, "trap");
  const sprung = join(sandbox.home, "sprung");
  const evil = `require("fs").appendFileSync(${JSON.stringify(sprung)}, "x");\n`;
  const files: Record<string, string> = {
    ".env": [
      `SESSION_BUDDY_DATA_DIR=${folder}/data`,
      `SESSION_BUDDY_SESSION_ENABLED=false`,
      `SESSION_BUDDY_CONFIG=${folder}/config.yaml`,
      `XDG_CACHE_HOME=${folder}/cache`,
      `PATH=${folder}`,
      `NODE_OPTIONS=--require=${folder}/evil.cjs`,
    ].join("\n"),
    "bunfig.toml": `preload = ["./evil.cjs"]\n`,
    "evil.cjs": evil,
    "settings/session-buddy.yaml": OFF,
    "session-buddy/config.yaml": OFF,
    ".session-buddy.yaml": OFF,
    ".config/session-buddy/config.yaml": OFF,
    "session-buddy.yaml": OFF,
    "config.yaml": OFF,
    "package.json": `{"main": "evil.cjs", "bun": {"preload": "./evil.cjs"}}`,
    "tsconfig.json": `{"compilerOptions": {"paths": {"*": ["./evil.cjs"]}}}`,
    "index.js": evil,
  };
  for (const name of [".env.local", ".env.development", ".env.production"])
    files[name] = files[".env"]!;
  for (const name of ["jose", "zod", "yaml", "@duckdb/node-bindings"]) {
    files[`node_modules/${name}/index.js`] = evil;
    files[`node_modules/${name}/package.json`] = `{"name": "${name}"}`;
  }
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return { folder, sprung };
}

/** Variables that Bun or Node obey, and the file that they would run. */
const variables = (evil: string): Record<string, string> => ({
  BUN_OPTIONS: `--preload=${evil}`,
  BUN_BE_BUN: "1",
  BUN_INSPECT: "ws://127.0.0.1:0/inspect",
  BUN_INSPECT_PRELOAD: evil,
  BUN_CONFIG_PRELOAD: evil,
  NODE_OPTIONS: `--require=${evil}`,
  NODE_PATH: dirname(evil),
});

async function everything(sandbox: Sandbox, options: RunOptions) {
  const run = (...args: string[]) => sandbox.run(args, options);
  const shell = await run("shell", "--component", "trapped", "--", "env", "-0");
  const [newest] = (await run("list-sessions")).stdout.split("\t", 1);
  return {
    shell,
    list: await run("list-sessions"),
    show: await run("show-session", newest!),
    version: await run("--version"),
  };
}

/** As `env -0` prints it. */
const environment = (stdout: string) =>
  Object.fromEntries(
    stdout
      .split("\0")
      .filter((entry) => entry !== "")
      .map((entry) => [
        entry.slice(0, entry.indexOf("=")),
        entry.slice(entry.indexOf("=") + 1),
      ]),
  ) as Record<string, string>;

test("the traps work on what obeys them", async () => {
  using sandbox = new Sandbox();
  const { folder, sprung } = trap(sandbox);
  const script = join(sandbox.home, "script.ts");
  writeFileSync(script, "");
  const bun = [process.execPath, script];
  await sandbox.command(bun, { cwd: folder });
  expect(existsSync(sprung)).toBe(true);
  rmSync(sprung);
  const { BUN_OPTIONS } = variables(join(folder, "evil.cjs"));
  await sandbox.command(bun, { env: { BUN_OPTIONS } });
  expect(existsSync(sprung)).toBe(true);
});

test("nothing in the working directory or the environment runs or changes the recording", async () => {
  using sandbox = new Sandbox();
  const { folder, sprung } = trap(sandbox);
  const env = variables(join(folder, "evil.cjs"));
  const calm = (await sandbox.run(["--version"])).stdout;
  const { shell, list, show, version } = await everything(sandbox, {
    cwd: folder,
    env,
  });
  for (const run of [shell, list, show, version])
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  expect(version.stdout).toBe(calm);
  expect(list.stdout).toMatch(/^trapped-\S+\ttrapped\t/);
  expect(show.stdout).toContain(`working_directory:  ${folder}\n`);
  const { SESSION_BUDDY_SESSION_ID: id, ...inherited } = environment(
    shell.stdout,
  );
  expect(list.stdout).toStartWith(`${id}\t`);
  expect(inherited).toEqual(
    sandbox.envWith({ ...env, SESSION_BUDDY_WRAPPED: "1" }),
  );
  expect(existsSync(sprung)).toBe(false);
  expect(existsSync(join(folder, "data"))).toBe(false);
  expect(existsSync(join(folder, "cache"))).toBe(false);
});

test("variables go byte for byte, also when they are no text", async () => {
  using sandbox = new Sandbox();
  const script = `export ODD=$'\\xff\\xfe=\\x01' BUN_OPTIONS=$'\\xff'
    ${BINARY} shell -- env -0 | tr '\\0' '\\n' | grep -a -e ^ODD -e ^BUN_ | od -An -tx1`;
  const { stdout } = await sandbox.command(["bash", "-c", script]);
  const hex = (text: string) => Buffer.from(text, "latin1").toString("hex");
  const bytes = stdout.replace(/\s/g, "");
  expect(bytes).toContain(hex("ODD=\xff\xfe=\x01\n"));
  expect(bytes).toContain(hex("BUN_OPTIONS=\xff\n"));
});

test("no debugger can be attached by the environment", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, [{}]);
  let called = 0;
  using debuggers = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: () => void called++, data: () => {} },
  });
  const address = `127.0.0.1:${debuggers.port}`;
  const env = {
    BUN_INSPECT: "ws://127.0.0.1:0/inspect",
    BUN_INSPECT_CONNECT_TO: `ws://${address}/`,
    BUN_INSPECT_NOTIFY: `tcp://${address}`,
  };
  // The wrapper's descriptors, as its child sees them: no socket is among them.
  const look = `for fd in /proc/$PPID/fd/*; do readlink "$fd"; done`;
  const script = `${BINARY} shell -- sh -c '${look}' </dev/null 2>&1 | cat`;
  const { stdout } = await sandbox.command(["sh", "-c", script], { env });
  expect(stdout).toContain(".ndjson");
  expect(stdout).not.toContain("socket:");
  await sandbox.run(["list-sessions"], { env });
  expect(called).toBe(0);
});

test("the names are spoilt in the file, for whoever copies it too", () => {
  const bytes = readFileSync(BINARY);
  for (const name of ["BUN_OPTIONS", "BUN_BE_BUN", "BUN_INSPECT"]) {
    expect(bytes.indexOf(name)).toBe(-1);
    expect(bytes.indexOf(`_${name.slice(1)}`)).toBeGreaterThan(-1);
  }
});
