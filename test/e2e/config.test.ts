/** Settings and words that are wrong are named, with the mend, by every command. */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  asUnknownUser,
  configure,
  expectFailure,
  needsRoot,
  runPrivately,
} from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";

/** A wrong file, the line and what is said of it. */
const FILES: [string, string, number, RegExp][] = [
  [
    "an unknown key",
    "# mine\nsession:\n  enabled: true\n  enable: false\n",
    4,
    /session.enable is not a setting \(known: session.enabled, session.audit,/,
  ],
  [
    "an unknown section",
    "store: {}\nsesion: {enabled: true}\n",
    2,
    /sesion is not a setting \(known: session, server, auth, redaction, spool, recordings, delivery, store, cache_dir, profiles, export_to, alerts\)/,
  ],
  [
    "a bad value",
    "session:\n\n  audit: strictly\n",
    3,
    /session.audit takes strict or best-effort \(not "strictly"\)/,
  ],
  [
    "a bad duration",
    "session: {enabled: true,\n  heartbeat: -3s}\n",
    2,
    /session.heartbeat takes a duration such as 30s, at most 24h \(not "-3s"\)/,
  ],
  [
    "a wrong type",
    "store:\n  path: [a, b]\n",
    2,
    /store.path takes an absolute path, or null \(not \["a","b"\]\)/,
  ],
  [
    "a port that there is not",
    "server:\n  host: ::1\n  port: 70000\n",
    3,
    /server.port takes a port from 1 to 65535, or auto \(not 70000\)/,
  ],
  [
    "a password in a URL",
    "server: {endpoint: 'https://les:hunter2@sessions.example.org/mcp'}\n",
    1,
    /server.endpoint takes a URL .* \(not "https:\/\/…@sessions.example.org\/mcp"\)/,
  ],
  [
    "a password in the URL of a database",
    "store: {url: 'postgres://les:hunter2@db.example.org/sessions'}\n",
    1,
    /store.url takes a URL .* \(that belongs in store.password_file, or in PGPASSFILE\), or null \(not "postgres:\/\/…@db.example.org\/sessions"\)/,
  ],
  [
    "a password behind it",
    "store: {url: 'postgres://db.example.org/sessions?password=hunter2&sslmode=require'}\n",
    1,
    /store.url takes a URL .* \(not "postgres:\/\/db.example.org\/sessions\?password=…&sslmode=require"\)/,
  ],
  [
    "a pattern that could be slow",
    "redaction:\n  patterns:\n    mine: (a+)+bcd\n",
    3,
    /redaction.patterns.mine repeats a group in which something varies \(see docs\/redaction\.md\)/,
  ],
  [
    "a rule that there is not",
    "redaction: {off: [jwt, jwtt]}\n",
    1,
    /redaction.off takes a list of names of rules/,
  ],
  ["a relative path", "cache_dir: here\n", 1, /cache_dir takes an absolute/],
  [
    "a list for a section",
    "cache_dir: null\nsession: [enabled]\n",
    2,
    /session takes keys and values/,
  ],
  ["a text for everything", "enabled\n", 1, /takes keys and values/],
  [
    "no YAML",
    "session:\n  enabled: true\n bad: [\n",
    3,
    /is not YAML: .*\(mend the line\)/,
  ],
  [
    "an unknown key of a profile",
    "profiles:\n  web:\n    component: web\n    comand: [sh]\n",
    4,
    /profiles.web.comand is not a profile setting \(known: command, component, metadata\)/,
  ],
  [
    "a bad value in a profile",
    "profiles:\n  web: {command: sh}\n",
    2,
    /profiles.web.command takes a list of words \(not "sh"\)/,
  ],
  ["a name that objects have", "constructor: 1\n", 1, /constructor is not a s/],
  ["another such name", "session: {toString: 1}\n", 1, /session.toString is/],
  [
    "such a name in a profile",
    "profiles: {a: {valueOf: 1}}\n",
    1,
    /profiles.a.valueOf is not/,
  ],
  ["an escape sequence", '"\\e[2J": 1\n', 1, /: \\x1b\[2J is not a setting/],
];

test.each(FILES)(
  "a configuration with %s is named by file, line and key",
  async (_, yaml, line, what) => {
    using sandbox = new Sandbox();
    const file = configure(sandbox, yaml);
    const run = await sandbox.run(["list-sessions"]);
    expectFailure(run, 5, what);
    expect(run.stderr).toStartWith(`session-buddy: ${file}:${line}: `);
    // The same as a file that is named, and for the other command.
    const named = join(sandbox.home, "named.yaml");
    writeFileSync(named, yaml);
    writeFileSync(file, "");
    const show = await sandbox.run(["show-session", "--config", named]);
    expectFailure(show, 5, what);
    expect(show.stderr).toStartWith(`session-buddy: ${named}:${line}: `);
  },
);

test("later files, the environment and --config win in turn", async () => {
  using sandbox = new Sandbox();
  const path = (name: string) => join(sandbox.home, `${name}.duckdb`);
  const named = join(sandbox.home, "named.yaml");
  configure(sandbox, `store: {path: ${path("user")}}\n`);
  writeFileSync(named, `store: {path: ${path("named")}}\n`);
  const env = { SESSION_BUDDY_CONFIG: named };
  const all = { ...env, SESSION_BUDDY_DB_PATH: path("env") };
  await sandbox.run(["list-sessions"]);
  await sandbox.run(["list-sessions"], { env });
  await sandbox.run(["list-sessions"], { env: all });
  const { stdout } = await sandbox.command(["sh", "-c", "ls -tr *.duckdb"]);
  expect(stdout).toBe("user.duckdb\nnamed.duckdb\nenv.duckdb\n");
});

test("a configuration that cannot be read is named", async () => {
  using sandbox = new Sandbox();
  const folder = join(sandbox.home, "folder");
  mkdirSync(folder);
  for (const file of [join(sandbox.home, "none.yaml"), folder, ""]) {
    const run = await sandbox.run(["list-sessions", "--config", file]);
    expectFailure(
      run,
      5,
      /: cannot be read: (ENOENT|.* is not a regular file)/,
    );
    if (file === "") continue;
    expect(run.stderr).toStartWith(`session-buddy: ${file}: `);
    const env = { SESSION_BUDDY_CONFIG: file };
    const byEnv = await sandbox.run(["show-session"], { env });
    expect(byEnv.stderr).toBe(run.stderr);
  }
});

test("a configuration that comes in pieces, by a pipe, is read to its end", async () => {
  if (!needs("python3")) return;
  using sandbox = new Sandbox();
  // A pipe of packets: whatever is asked for, a read gets one of them.
  const script = `import os, subprocess, sys
r, w = os.pipe2(os.O_DIRECT)
os.write(w, b"session: {enabled: true}\\n")
os.write(w, b"bad: 1\\n")
os.close(w)
sys.exit(subprocess.call(sys.argv[1:] + [f"/dev/fd/{r}"], pass_fds=[r]))`;
  const words = [BINARY, "list-sessions", "--config"];
  const run = await sandbox.command(["python3", "-c", script, ...words]);
  expectFailure(run, 5, /\/dev\/fd\/\d+:2: bad is not a setting/);
});

test.each([
  ["SESSION_BUDDY_SESSION_ENABLED", "perhaps", "true or false"],
  ["SESSION_BUDDY_DATA_DIR", "here", "an absolute path"],
  ["SESSION_BUDDY_DB_PATH", "./x.duckdb", "an absolute path"],
  ["SESSION_BUDDY_DATABASE_PATH", "x.duckdb", "an absolute path"],
  ["SESSION_BUDDY_HOST", "127.0.0.1:8678", "a host name or an IP address"],
  ["SESSION_BUDDY_PORT", "0", "a port from 1 to 65535, or auto"],
  ["SESSION_BUDDY_MCP_ENDPOINT", "localhost:8678", "a URL such as http://"],
  ["SESSION_BUDDY_LOG_DIR", "logs", "an absolute path"],
  ["SESSION_BUDDY_LOG_LEVEL", "loud", "debug, info, warn or error"],
])("a bad %s is named", async (name, value, takes) => {
  using sandbox = new Sandbox();
  const env = { [name]: value };
  const run = await sandbox.run(["list-sessions"], { env });
  expectFailure(run, 5, new RegExp(`environment: ${name} takes ${takes}`));
  expect(run.stderr).toContain(`(not '${value}')`);
});

test("without any home the settings say so, and SESSION_BUDDY_DATA_DIR mends it", async () => {
  if (!needsRoot("setpriv")) return;
  using sandbox = new Sandbox();
  const unknown = asUnknownUser(sandbox);
  expectFailure(
    await runPrivately(sandbox, unknown("$SB list-sessions --json")),
    5,
    /HOME is not set .* passwd names no home \(set HOME, or SESSION_BUDDY_DATA_DIR\)/,
  );
  const mended = await runPrivately(
    sandbox,
    unknown(`export SESSION_BUDDY_DATA_DIR=${sandbox.home}/data
      $SB shell -- true; $SB list-sessions --json`),
  );
  expect(mended).toMatchObject({ exitCode: 0, stderr: "" });
  expect(JSON.parse(mended.stdout)).toHaveLength(1);
});

/** Wrong words, and what is said of them; all exit 64. */
const WORDS: [string[], RegExp][] = [
  [[], /no command was given \(try: session-buddy --help\)/],
  [
    ["list-session"],
    /no command 'list-session' \(did you mean list-sessions\?/,
  ],
  [["list"], /did you mean list-sessions\?/],
  [["shwo"], /did you mean show\?/],
  [["mcp"], /mcp needs a command \(try: session-buddy mcp start/],
  [["constructor"], /no command 'constructor' \(try/],
  [["__proto__"], /no command '__proto__' \(try/],
  [["\x1b[2J"], /no command '\\x1b\[2J'/],
  [
    ["--verison"],
    /no flag '--verison' before a command \(did you mean --version/,
  ],
  [["help", "lst"], /no command 'lst'/],
  [["version", "--jsno"], /version has no flag '--jsno' \(did you mean --json/],
  [["version", "now"], /version takes no word 'now'/],
  [["ls", "--componet", "x"], /ls has no flag '--componet' .*--component\?/],
  [["ls", "-x"], /ls has no flag '-x' \(try: session-buddy ls --help\)/],
  [["ls", "--limit"], /--limit needs a value/],
  [["ls", "--json=yes"], /--json takes no value/],
  [
    ["ls", "--status", "dead"],
    /--status takes active, ended, lost, not 'dead'/,
  ],
  [["ls", "--limit", "many"], /--limit takes a whole number, not 'many'/],
  [["ls", "-n", "-1"], /--limit takes a whole number, not '-1'/],
  [["ls", "-n", "1.5"], /--limit takes a whole number, not '1.5'/],
  [["ls", "--after", "someday"], /'someday' is not a time \(try: 2026/],
  [["ls", "--until", "2026-02-30"], /'2026-02-30' is not a time/],
  [["ls", "--after", "-999999d"], /'-999999d' is not a time/],
  [["ls", "--after", ""], /'' is not a time/],
  [["ls", "--format", "xml"], /--format takes table, json, .*, not 'xml'/],
  [["ls", "--format", "table", "--json"], /not 'table'/],
  [["ls", "spare"], /ls takes no word 'spare'/],
  [["show", "--format", "csv"], /--format takes text or json, not 'csv'/],
  [["show", "a", "b"], /show takes no word 'b'/],
  [["show", ""], /the session's id is empty \(leave it out/],
  [
    ["shell", "--componet", "x"],
    /shell has no flag '--componet' .*--component/,
  ],
  [["shell", "--component"], /--component needs a value/],
  [["shell", "--component", "a b"], /'a b' is not a component name/],
  [["shell", "--audit", "maybe", "--", "true"], /--audit takes strict or best/],
  [["shell", "--profile", "none"], /there is no profile 'none' \(add it/],
  [["shell", "--meta", "novalue"], /--meta takes key=value, not 'novalue'/],
  [["shell", "--meta", "exit_code=0"], /'exit_code' is measured/],
];

test.each(WORDS)("%j is refused with the way out", async (words, sentence) => {
  using sandbox = new Sandbox();
  expectFailure(await sandbox.run(words), 64, sentence);
});

test("what is wrong is told by the status also when nobody can read it", async () => {
  using sandbox = new Sandbox();
  for (const stderr of ["/dev/full", "&-"]) {
    const script = `${BINARY} bogus 2>${stderr}`;
    const run = await sandbox.command(["sh", "-c", script]);
    expect(run).toEqual({ exitCode: 64, signal: null, stdout: "", stderr: "" });
  }
});
