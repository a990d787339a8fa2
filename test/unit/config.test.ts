/** The keys and variables of the settings, and where a server's state is. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Settings,
  describe as sentenceOf,
  loadSettings,
  statePaths,
} from "../../src/config/load.ts";
import { machineId } from "../../src/os/proc.ts";

const home = mkdtempSync(join(tmpdir(), "sb-config-"));
afterAll(() => rmSync(home, { recursive: true }));

function settingsOf(yaml: string, env: Record<string, string> = {}): Settings {
  const file = join(home, "config.yaml");
  writeFileSync(file, yaml);
  return loadSettings({ HOME: home, ...env }, file);
}

/** What is said of wrong settings. */
async function complaint(settings: Settings): Promise<string> {
  const [problem] = settings.problems;
  return problem ? (await sentenceOf(problem)).message : "nothing";
}

test("every key of a server reaches its place", async () => {
  const settings = settingsOf(`
session: {lease: 3m, unleased_timeout: 2d}
server:
  host: "[::1]"
  port: "9000"
  endpoint: https://sessions.example.org
  tls: {cert: /etc/cert.pem, key: /etc/key.pem}
  allowed_hosts: [Sessions.example.org, "[::1]:80", "10.0.0.1:8678"]
  allowed_origins: ["https://sessions.example.org", "http://[::1]:8678"]
  metrics_public: true
  dashboard: true
  max_connections: 7
auth: {secret_file: /etc/secret}
`);
  expect(settings.problems).toEqual([]);
  const { session, server, auth } = settings.config;
  expect(session).toMatchObject({
    lease_ms: 180_000,
    unleased_timeout_ms: 172_800_000,
  });
  expect(server).toEqual({
    host: "::1",
    port: 9000,
    endpoint: "https://sessions.example.org/mcp",
    tls: { cert: "/etc/cert.pem", key: "/etc/key.pem" },
    allowed_hosts: ["sessions.example.org", "[::1]:80", "10.0.0.1:8678"],
    allowed_origins: ["https://sessions.example.org", "http://[::1]:8678"],
    metrics_public: true,
    dashboard: true,
    max_connections: 7,
  });
  expect(auth.secret_file).toBe("/etc/secret");
});

test("without a word the server is this host's own", () => {
  const { config } = settingsOf("");
  expect(config.server).toEqual({
    host: "127.0.0.1",
    port: 8678,
    endpoint: null,
    tls: { cert: null, key: null },
    allowed_hosts: [],
    allowed_origins: [],
    metrics_public: false,
    dashboard: false,
    max_connections: 1024,
  });
  expect(config.session).toMatchObject({
    lease_ms: 120_000,
    unleased_timeout_ms: 86_400_000,
  });
  expect(config.log).toEqual({ level: "info", folder: null });
});

test("variables win over the file, and empty ones are none", () => {
  const yaml = "server: {host: 10.0.0.1, port: 9000, endpoint: null}\n";
  expect(
    settingsOf(yaml, {
      SESSION_BUDDY_HOST: "localhost",
      SESSION_BUDDY_PORT: "auto",
      SESSION_BUDDY_MCP_ENDPOINT: "http://127.0.0.1:9000/other",
      SESSION_BUDDY_LOG_DIR: "/var/log/sb",
      SESSION_BUDDY_LOG_LEVEL: "WARNING",
    }).config,
  ).toMatchObject({
    server: {
      host: "localhost",
      port: "auto",
      endpoint: "http://127.0.0.1:9000/other",
    },
    log: { level: "warn", folder: "/var/log/sb" },
  });
  const empty = settingsOf(yaml, { SESSION_BUDDY_PORT: "" });
  expect(empty).toMatchObject({
    problems: [],
    config: { server: { port: 9000 } },
  });
});

const REFUSED: [string, string][] = [
  ["server: {port: 0}", "server.port takes a port from 1 to 65535, or auto"],
  ["server: {port: 80.5}", "server.port takes a port"],
  ["server: {port: ''}", "server.port takes a port"],
  ["server: {port: any}", "server.port takes a port"],
  ["server: {host: ''}", "server.host takes a host name or an IP address"],
  ["server: {host: 'localhost:80'}", "server.host takes a host name"],
  ["server: {host: 'http://x'}", "server.host takes a host name"],
  ["server: {host: 'a b'}", "server.host takes a host name"],
  ["server: {endpoint: 'ftp://x/'}", "server.endpoint takes a URL"],
  ["server: {endpoint: 'http://'}", "server.endpoint takes a URL"],
  ["server: {endpoint: 'http://x/#y'}", "server.endpoint takes a URL"],
  ["server: {tls: {cert: c.pem}}", "server.tls.cert takes an absolute path"],
  ["server: {tls: {cert: /c}}", "server.tls takes cert and key together"],
  ["server: {allowed_hosts: x}", "server.allowed_hosts takes a list of hosts"],
  ["server: {allowed_hosts: ['x/y']}", "server.allowed_hosts takes a list"],
  ["server: {allowed_hosts: ['u@x']}", "server.allowed_hosts takes a list"],
  [
    "server: {allowed_origins: ['https://x/']}",
    "server.allowed_origins takes a list of origins",
  ],
  ["server: {allowed_origins: ['*']}", "server.allowed_origins takes a list"],
  ["server: {allowed_origins: ['null']}", "server.allowed_origins takes"],
  ["server: {metrics_public: 1}", "server.metrics_public takes true or false"],
  ["server: {max_connections: 0}", "server.max_connections takes a whole"],
  ["session: {lease: 0s}", "session.lease takes a duration such as 120s"],
  ["session: {unleased_timeout: 2y}", "session.unleased_timeout takes a dura"],
  ["session: {heartbeat: 30d}", "session.heartbeat takes a duration such as"],
  ["auth: {secret_file: secret}", "auth.secret_file takes an absolute path"],
  ["auth: {secret: x}", "auth.secret is not a setting"],
];

test.each(REFUSED)("%s is refused", async (yaml, sentence) => {
  expect(await complaint(settingsOf(yaml))).toContain(`: ${sentence}`);
});

test("a password in a URL is never shown", async () => {
  const url = "http://les:hunter2@127.0.0.1/mcp";
  const file = settingsOf(`server: {endpoint: '${url}'}`);
  const variable = settingsOf("", { SESSION_BUDDY_MCP_ENDPOINT: url });
  for (const settings of [file, variable]) {
    const said = await complaint(settings);
    expect(said).toContain("http://…@127.0.0.1/mcp");
    expect(said).not.toContain("hunter2");
  }
});

/** Where the state of a server is that has these settings. */
function folderOf(env: Record<string, string>, yaml = ""): string {
  const settings = settingsOf(yaml, env);
  expect(settings.problems).toEqual([]);
  const { folder, socket, logs } = statePaths(settings);
  expect(socket).toBe(`${folder}/server.sock`);
  expect(logs).toBe(`${folder}/logs`);
  expect(folder).toEndWith(`/${machineId()}`);
  return folder.slice(0, -machineId().length - 1);
}

test("a server's state is where its database is looked for", () => {
  const usual = `${home}/.local/state/session-buddy`;
  expect(folderOf({})).toBe(usual);
  expect(folderOf({ XDG_STATE_HOME: "/s" })).toBe("/s/session-buddy");
  expect(folderOf({ XDG_STATE_HOME: "/s", XDG_DATA_HOME: "/d" })).toBe(
    "/s/session-buddy",
  );
  // Another data folder is another store, whoever's state folder this is.
  expect(folderOf({ XDG_DATA_HOME: "/d" })).toBe("/d/session-buddy/state");
  const moved = { SESSION_BUDDY_DATA_DIR: "/d" };
  expect(folderOf(moved)).toBe("/d/state");
  expect(folderOf({ ...moved, XDG_STATE_HOME: "/s" })).toBe("/d/state");
  // And another database of the same data folder too.
  const path = { SESSION_BUDDY_DB_PATH: "/d/x.duckdb" };
  expect(folderOf(path)).toBe("/d/x.duckdb.state");
  expect(folderOf({ ...path, ...moved })).toBe("/d/x.duckdb.state");
  expect(folderOf({}, "store: {path: /d/x.duckdb}")).toBe("/d/x.duckdb.state");
  // What is said aloud but is not another one.
  const data = `${home}/.local/share/session-buddy`;
  expect(folderOf({ XDG_DATA_HOME: `${home}/.local/share` })).toBe(usual);
  expect(folderOf({ SESSION_BUDDY_DATA_DIR: data })).toBe(usual);
  const named = { SESSION_BUDDY_DB_PATH: `${data}/sessions.duckdb` };
  expect(folderOf(named)).toBe(usual);
});

test("logs go where they are sent", () => {
  const settings = settingsOf("", { SESSION_BUDDY_LOG_DIR: "/var/log/sb" });
  expect(statePaths(settings).logs).toBe("/var/log/sb");
});

test("a socket's path is never too long, and the same for everybody", () => {
  const long = `/d/${"x".repeat(80)}`;
  const socketOf = (data: string, env: Record<string, string> = {}) =>
    statePaths(settingsOf("", { SESSION_BUDDY_DATA_DIR: data, ...env })).socket;
  const short = socketOf(long);
  expect(short).toMatch(
    /^\/var\/tmp\/session-buddy-\d+-[0-9a-f]{16}\/server\.sock$/,
  );
  expect(socketOf(long, { XDG_RUNTIME_DIR: "/run/user/1" })).toBe(short);
  expect(socketOf(`${long}y`)).not.toBe(short);
  // 107 bytes fit, 108 do not; a path counts in bytes.
  const rest = `/state/${machineId()}/server.sock`.length;
  const fits = `/${"x".repeat(106 - rest)}`;
  expect(socketOf(fits)).toHaveLength(107);
  expect(socketOf(`${fits}x`)).toStartWith("/var/tmp/");
  expect(socketOf(`/ü${fits.slice(2)}`)).toStartWith("/var/tmp/");
});

test("the database is a file or at a URL, and the URL has its state where a file of no other name has", () => {
  const url = "postgres://les@db1,db2:6432/sessions?sslmode=require";
  const settings = settingsOf(`store: {url: '${url}'}`);
  expect(settings.problems).toEqual([]);
  expect(settings.config.store.url).toBe(url);
  expect(statePaths(settings).folder).toBe(statePaths(settingsOf("")).folder);
  const unset = settingsOf(`store: {url: '${url}'}`, {
    SESSION_BUDDY_STORE_URL: "null",
  });
  expect(unset.config.store.url).toBeNull();
  const both = { SESSION_BUDDY_DB_PATH: "/d/x.duckdb" };
  expect(settingsOf(`store: {url: '${url}'}`, both).problems).toEqual([
    expect.objectContaining({ what: expect.stringMatching(/url and a path/) }),
  ]);
  for (const wrong of ["mysql://db/x", "postgres:db", "", "postgres://a:b@db"])
    expect([
      wrong,
      settingsOf(`store: {url: '${wrong}'}`).problems.length,
    ]).toEqual([wrong, 1]);
});
