/** What docs/many-hosts.md says to type, typed: roles, servers, moving, standby, PgBouncer. */
import { SQL } from "bun";
import { expect, test } from "bun:test";
import { join } from "node:path";
import { Cluster } from "../crash/postgres/cluster.ts";
import { needsPostgres } from "../crash/postgres/node.ts";
import { freePort } from "../support/free-port.ts";
import { configure, expectFailure } from "../support/host.ts";
import { BLOCKS } from "../support/pages.ts";
import { pgbouncer } from "../support/pgbouncer.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

const PAGE = "docs/many-hosts.md";
const blocks = (language: string) =>
  BLOCKS.filter((block) => block.page === PAGE && block.language === language);
const [ROLES, GRANTS, STANDBY, TIMEOUT] = blocks("sql").map(
  ({ text }) => text,
) as [string, string, string, string];

/** A host whose commands are typed as they stand, but for where the database is. */
class Typist implements Disposable {
  readonly sandbox = new Sandbox();

  constructor(private readonly port: number) {}

  here(text: string): string {
    return text.replaceAll("db.example.org", `127.0.0.1:${this.port}`);
  }

  async type(line: string) {
    const { sandbox } = this;
    sandbox.env["PATH"] = `${join(BINARY, "..")}:${sandbox.env["PATH"]}`;
    const argv = ["bash", "-c", this.here(line)];
    return sandbox.command(argv);
  }

  async said(line: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.type(line);
    expect([line, exitCode, stderr]).toEqual([line, 0, ""]);
    return stdout;
  }

  [Symbol.dispose](): void {
    this.sandbox[Symbol.dispose]();
  }
}

/** Each statement by itself, as psql does it. */
async function typed(sql: SQL, text: string): Promise<void> {
  for (const statement of text.split(";\n"))
    if (statement.trim() !== "") await sql.unsafe(statement);
}

const DATABASE = "session_buddy";
const [FIRST, THERE, BACK] = blocks("shell").flatMap(({ text }) =>
  text.trimEnd().split("\n"),
) as [string, string, string];

/** A database as the page sets one up, with a standby that follows. */
async function setUp() {
  const cluster = await Cluster.start(false, 100);
  const { port } = cluster.primary;
  const typist = new Typist(port);
  const connect = (role: string, database = DATABASE) =>
    cluster.primary.connect(database, role);
  await using root = connect("postgres", "postgres");
  for (const sql of [
    `DROP DATABASE ${DATABASE}`,
    "ALTER SYSTEM RESET synchronous_standby_names",
    "SELECT pg_reload_conf()",
  ])
    await root.unsafe(sql);
  await typed(root, ROLES);
  await typist.said(FIRST);
  await using owner = connect("session_buddy_owner");
  await typed(owner, GRANTS);
  return {
    ...{ typist, cluster, connect, port },
    url: `postgres://session_buddy@127.0.0.1:${port}/${DATABASE}`,
    async [Symbol.asyncDispose]() {
      typist[Symbol.dispose]();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

test("the roles have what they need, and no more", async () => {
  if (!needsPostgres()) return;
  await using place = await setUp();
  const { typist, connect, url } = place;
  const { sandbox } = typist;
  await typist.said("session-buddy shell -- sh -c 'exit 0'");
  await sandbox.list();
  expect(await typist.said(`${THERE} --json`)).toContain('"moved_before":0');
  const settings = blocks("yaml")[0]!.text;
  configure(
    sandbox,
    typist
      .here(settings)
      .replace(/^ *(password_file|ca_file|recordings):.*\n/gm, ""),
  );
  {
    await using server = await TestServer.start(sandbox);
    await typist.said("session-buddy shell -- true");
    expect(await sandbox.list()).toHaveLength(2);
    const { result } = await server.call("query_sessions", {
      sql: "SELECT count(*)::integer AS n FROM sessions",
    });
    expect(result["rows"]).toEqual([[2]]);
    const { stdout } = await typist.type("session-buddy doctor --json");
    const checks = JSON.parse(stdout).phases.database_verification.tests;
    // That nobody waits for the standby is told of below.
    for (const { name, status, detail } of checks)
      if (name !== "database_replication")
        expect([name, status, detail]).toEqual([name, "pass", detail]);
    expect(JSON.stringify(checks)).toContain("role 'session_buddy' may read");
    // What it uses is not moved.
    const busy = await typist.type(`${BACK}`);
    expectFailure(busy, 3, /is in use by a server/);
  }
  await typist.said(BACK);
  // What is to be typed for a copy can be, by who says it.
  const dump = await typist.type("session-buddy backup whole.dump");
  const [, line] = /try: (pg_dump .*)\)/.exec(dump.stderr)!;
  await typist.said(line!);

  await using reader = connect("session_buddy", "session_buddy");
  await reader.unsafe("SET ROLE session_buddy_reader");
  const [{ n }] = await reader.unsafe(
    "SELECT count(*)::integer AS n FROM session_buddy_views.sessions",
  );
  expect(n).toBe(2);
  for (const sql of [
    "SELECT * FROM sessions",
    "INSERT INTO session_buddy_views.sessions (session_id) VALUES ('x')",
    "DELETE FROM events",
    "CREATE TABLE public.mine (a integer)",
  ])
    await expect(reader.unsafe(sql).then(() => sql)).rejects.toThrow(
      /permission denied|cannot (insert|delete)/,
    );

  // A server that may only read says so, and leaves what it cannot store.
  await using root = connect("postgres");
  await root.unsafe("CREATE ROLE looker LOGIN IN ROLE pg_read_all_data");
  const looker = url.replace("session_buddy@", "looker@");
  const refused = await sandbox.run(["list-sessions"], {
    env: { SESSION_BUDDY_STORE_URL: looker },
  });
  expectFailure(refused, 6, /permission denied for table .*many-hosts\.md/);

  // Newer tables are not touched by an older program.
  await root.unsafe("UPDATE schema_version SET version = version + 1");
  const newer = /has schema version 2, this session-buddy knows 1/;
  expectFailure(await sandbox.run(["list-sessions"]), 1, newer);
  expectFailure(await sandbox.run(["mcp", "start"]), 1, newer);
}, 400_000);

test("a commit waits for the standby, and doctor says so", async () => {
  if (!needsPostgres()) return;
  await using place = await setUp();
  const { typist, connect, url } = place;
  typist.sandbox.env["SESSION_BUDDY_STORE_URL"] = url;
  // A standby of a slow machine may be cut off for a moment.
  const replication = (said: string) =>
    until(`doctor to say: ${said}`, async () => {
      const { stdout } = await typist.type("session-buddy doctor --json");
      const checks: { name: string; status: string; detail?: string }[] =
        JSON.parse(stdout).phases.database_verification.tests;
      return checks.find(
        ({ name, detail }) =>
          name === "database_replication" && detail?.includes(said),
      );
    });
  expect((await replication("1 standbys follow")).status).toBe("fail");
  await using root = connect("postgres");
  await typed(root, STANDBY);
  await typist.said("session-buddy shell -- true");
  expect(await typist.sandbox.list()).toHaveLength(1);
  expect((await replication("(1 connected)")).status).toBe("pass");
}, 400_000);

test("through PgBouncer in transaction mode all is the same", async () => {
  if (!needsPostgres() || !needs("pgbouncer")) return;
  await using place = await setUp();
  const { typist, connect, port, url } = place;
  {
    await using root = connect("postgres");
    await typed(root, TIMEOUT);
  }
  const pooled = await freePort();
  await using _pooler = await pooler(port, pooled);
  const through = url.replace(`:${port}`, `:${pooled}`);
  const { sandbox } = typist;
  const untold = await sandbox.run(["list-sessions"], {
    env: { SESSION_BUDDY_STORE_URL: through },
  });
  expectFailure(untold, 5, /pooler .*\?pgbouncer=true/);

  sandbox.env["SESSION_BUDDY_STORE_URL"] = `${through}?pgbouncer=true`;
  await typist.said("session-buddy shell -- sh -c 'exit 0'");
  for (const line of [
    "session-buddy list-sessions",
    "session-buddy list-events",
    "session-buddy list-commands",
    "session-buddy search exit",
    "session-buddy analytics sessions",
    `session-buddy query "SELECT count(*) FROM sessions"`,
    "session-buddy archive-sessions --days 0 --dry-run",
  ])
    await typist.said(line);
  {
    await using server = await TestServer.start(sandbox);
    await Promise.all(
      Array.from({ length: 40 }, () => server.call("list_sessions", {})),
    );
    await typist.said("session-buddy shell -- true");
    expect(await sandbox.list()).toHaveLength(2);
  }
  const [{ detail }] = JSON.parse(
    (await typist.type("session-buddy doctor --json")).stdout,
  ).phases.database_verification.tests;
  expect(detail).toContain(`:${pooled}`);
  // The dry run makes a schema of its own, which the pooler does not know.
  const words = ["migrate", "--from", `${through}?pgbouncer=true`];
  const to = join(sandbox.home, "back.duckdb");
  expect((await sandbox.run([...words, "--to", to])).exitCode).toBe(0);
  const dry = ["migrate", "--from", to, "--to", `${through}?pgbouncer=true`];
  expectFailure(
    await sandbox.run([...dry, "--dry-run"]),
    64,
    /needs the database itself, not its pooler/,
  );
}, 400_000);

/** As the page configures it. */
function pooler(port: number, pooled: number): Promise<AsyncDisposable> {
  const [ini] = blocks("ini").filter(({ text }) => text.includes("pgbouncer"));
  const settings = ini!.text
    .replace("db.example.org port=5432", `127.0.0.1 port=${port}`)
    .replace("6432", `${pooled}`)
    .replace(/auth_\w+ = .*\n/g, "");
  const users = ["session_buddy", "session_buddy_owner"];
  return pgbouncer(settings, pooled, users);
}

test("the unit on the page is one that the executable makes, for a user of its own", async () => {
  using sandbox = new Sandbox();
  const { stdout } = await sandbox.run(["mcp", "unit"]);
  const [unit] = blocks("ini").filter(({ text }) => text.startsWith("[Unit]"));
  for (const line of unit!.text.split("\n")) {
    const own = /^(User|Description|After|Wants|WantedBy|ExecStart)=/.test(
      line,
    );
    if (!own && line.includes("=")) expect(stdout).toContain(`\n${line}\n`);
  }
});
