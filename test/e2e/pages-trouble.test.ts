/**
 * Troubleshooting, each case for real: the trouble is made, what the page says
 * is seen is seen, what it says to do is typed as it stands, and it helps.
 */
import { expect, test } from "bun:test";
import { constants, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { configure, plant } from "../support/host.ts";
import { type Answer, Newcomer, tidied } from "../support/newcomer.ts";
import { BLOCKS, SECTIONS, commandsOf, section } from "../support/pages.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { startArguments } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

const SECRET = "a secret of more than thirty-two characters";

/** One case of the page, and the port that stands for the default one. */
class Case {
  port = 0;

  constructor(private readonly title: string) {}

  /** Chooses the port: one that is free now may be taken when other cases are over. */
  async begin(): Promise<this> {
    this.port = await freePort();
    return this;
  }

  get env() {
    return { SESSION_BUDDY_PORT: `${this.port}` };
  }

  get name(): string {
    return `Troubleshooting / ${this.title}`;
  }

  /** What was really shown, and what the page says of it, are the same words. */
  seen(shown: string, words: string): void {
    expect(shown).toContain(words.replace("8678", `${this.port}`));
    expect(section(this.name).text.replace(/\s+/g, " ")).toContain(words);
  }

  /** Types the case's commands. */
  async mend(newcomer: Newcomer): Promise<Answer[]> {
    const block = BLOCKS.find(({ section }) => section === this.name)!;
    const answers: Answer[] = [];
    for (const command of commandsOf(block))
      answers.push(
        await newcomer.type(command.replaceAll("8678", `${this.port}`)),
      );
    return answers;
  }

  /** The same, where all of it succeeds. */
  async mended(newcomer: Newcomer): Promise<string> {
    const answers = await this.mend(newcomer);
    const shown = answers.map((answer) => answer.shown).join("");
    expect([answers.map(({ status }) => status), shown]).toEqual([
      answers.map(() => 0),
      shown,
    ]);
    return shown;
  }
}

const DISABLED = new Case("Session tracking is disabled");
const UNRECORDED = new Case("A session is not recorded");
const METADATA = new Case("Metadata is missing");
const PORT = new Case("The port is in use");
const AUTHENTICATION = new Case("Authentication failed");
const LOCKED = new Case("The database is locked");
const CASES = [DISABLED, UNRECORDED, METADATA, PORT, AUTHENTICATION, LOCKED];

/** A tool called by curl, as a client without a library does. */
const curl = (port: number, tool: string, args: object) =>
  `curl -sS http://127.0.0.1:${port}/mcp -H 'Content-Type: application/json' -d '${JSON.stringify(
    {
      ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
      params: { name: tool, arguments: args },
    },
  )}'`;

test("tracking is disabled: by a variable, by the configuration, by a spool that cannot be written", async () => {
  const trouble = await DISABLED.begin();
  using sandbox = new Sandbox();
  const env = { ...trouble.env, SESSION_BUDDY_SESSION_ENABLED: "false" };
  await using newcomer = await Newcomer.atTerminal(sandbox, env);
  const banner = async () =>
    (await newcomer.type("session-buddy shell -- true")).shown;
  const disabled = await banner();
  trouble.seen(disabled, "Session Tracking: ✗ Disabled");
  trouble.seen(disabled, "SESSION_BUDDY_SESSION_ENABLED");
  expect(await sandbox.list()).toEqual([]);
  expect(await trouble.mended(newcomer)).toContain("Tracking: ✓ Enabled");
  expect(await sandbox.list()).toHaveLength(1);

  const file = configure(sandbox, "session: {enabled: false}\n");
  trouble.seen(await banner(), "session.enabled");
  await Bun.write(file, "session: {enabled: true}\n");
  expect(await trouble.mended(newcomer)).toContain("Tracking: ✓ Enabled");

  await newcomer.type("export SESSION_BUDDY_DATA_DIR=/proc/nowhere");
  const unwritable = await banner();
  trouble.seen(unwritable, "Session Tracking: ✗ Disabled");
  expect(unwritable).toContain("/proc/nowhere");
  await newcomer.type("unset SESSION_BUDDY_DATA_DIR");
  expect(await trouble.mended(newcomer)).toContain("Tracking: ✓ Enabled");
  expect(await sandbox.list()).toHaveLength(3);
});

test("a session is not recorded: no server, and an event that is refused", async () => {
  if (!needs("curl")) return;
  const trouble = await UNRECORDED.begin();
  using sandbox = new Sandbox();
  await using _ = tidied(sandbox);
  await using newcomer = await Newcomer.atTerminal(sandbox, trouble.env);
  const track = (changes: Record<string, unknown> = {}) =>
    newcomer.type(
      curl(trouble.port, "track_session_start", startArguments(changes)),
    );
  expect((await track()).status).toBe(7);
  const [status, health, logs, restart] = await trouble.mend(newcomer);
  trouble.seen(status!.shown, "the server is not running");
  trouble.seen(health!.shown, "the server is not running");
  expect([status!.status, health!.status]).toEqual([2, 2]);
  expect([logs!.status, restart!.status]).toEqual([0, 0]);
  expect((await track()).shown).toContain('"status":"tracked"');
  expect(await sandbox.list()).toHaveLength(1);

  const { shown } = await track({ component_name: "my shell" });
  trouble.seen(shown, '"status":"error"');
  expect(shown).toContain("Invalid component_name 'my shell'");
  const told = await trouble.mended(newcomer);
  expect(told).toMatch(/tool_refused .*Invalid component_name 'my shell'/);
  expect(told).toContain("restarted: http://");
  expect((await track()).shown).toContain('"status":"tracked"');
  expect(await sandbox.list()).toHaveLength(2);
});

test("metadata is missing: nobody gave it, until somebody does", async () => {
  const trouble = await METADATA.begin();
  using sandbox = new Sandbox();
  await using newcomer = await Newcomer.atTerminal(sandbox, trouble.env);
  await newcomer.type("session-buddy shell -- true");
  const { shown } = await newcomer.type("session-buddy show-session");
  trouble.seen(shown, "version: -");
  expect(shown).toContain("adapters: []");
  const given = await trouble.mended(newcomer);
  expect(given).toContain("version: 1.2.3");
  expect(given).toContain('adapters: ["prefect"]');

  configure(
    sandbox,
    "profiles: {truth: {command: ['true'], metadata: {version: 4.5.6}}}\n",
  );
  await newcomer.type("session-buddy shell --profile truth");
  const profile = await newcomer.type("session-buddy show-session");
  expect(profile.shown).toContain("version: 4.5.6");
});

test("the port is in use: by another program, and by another server of ours", async () => {
  const trouble = await PORT.begin();
  using sandbox = new Sandbox();
  await using _ = tidied(sandbox);
  using other = Bun.listen({
    ...{ hostname: "127.0.0.1", port: trouble.port },
    socket: { data() {} },
  });
  await using newcomer = await Newcomer.atTerminal(sandbox, trouble.env);
  const start = () => newcomer.type("session-buddy mcp start --detach");
  const refused = await start();
  trouble.seen(refused.shown, "port 8678 belongs to another program");
  expect(refused.shown).toContain(`pid ${process.pid}`);
  expect(refused.status).toBe(1);
  const shown = await trouble.mended(newcomer);
  const url = /running: (http:\S+)/.exec(shown)![1]!;
  expect(Number(new URL(url).port)).not.toBe(other.port);
  const health = await fetch(url.replace(/mcp$/, "health"));
  expect(health.status).toBe(200);

  const second = await start();
  trouble.seen(second.shown, "session-buddy serves already");
  expect(second.shown).toContain(url);
  expect(second.status).toBe(3);
});

test("authentication failed: no token, another secret's, a weak secret", async () => {
  if (!needs("curl")) return;
  const trouble = await AUTHENTICATION.begin();
  using sandbox = new Sandbox();
  await using _ = tidied(sandbox);
  await using newcomer = await Newcomer.atTerminal(sandbox, trouble.env);
  const begin = async (secret: string) => {
    await newcomer.type(`export SESSION_BUDDY_SECRET='${secret}'`);
    return newcomer.type("session-buddy mcp start --detach");
  };
  const weak = await begin("hunter2");
  trouble.seen(weak.shown, "is too short");
  expect(weak.status).toBe(5);
  expect((await begin(SECRET)).status).toBe(0);

  const ask = curl(trouble.port, "session_stats", {});
  trouble.seen((await newcomer.type(ask)).shown, "Token required");
  const { stdout } = await sandbox.run(["token"], {
    env: { SESSION_BUDDY_SECRET: SECRET.toUpperCase() },
  });
  const wrong = `${ask} -H 'Authorization: Bearer ${stdout.trim()}'`;
  trouble.seen((await newcomer.type(wrong)).shown, "invalid or expired token");
  expect(await trouble.mended(newcomer)).toContain('"structuredContent":{"ses');
});

test("the database is locked: by a listing that nobody reads on, and by another program", async () => {
  const trouble = await LOCKED.begin();
  using sandbox = new Sandbox();
  plant(
    sandbox,
    Array.from({ length: 6_000 }, () => ({})),
  );
  await using _ = tidied(sandbox);
  await using newcomer = await Newcomer.atTerminal(sandbox, trouble.env);
  const ask = () => newcomer.type("session-buddy list-sessions --limit 1");
  // The listing begins with what is stored, for all who ask meanwhile.
  expect((await sandbox.run(["drain"])).exitCode).toBe(0);
  const listing = await unread(sandbox);
  const busy = await ask();
  trouble.seen(busy.shown, "the database is busy");
  expect(busy.status).toBe(7);
  // The pid that is named is whom to end.
  expect(Number(/\(pid (\d+)\)/.exec(busy.shown)![1])).toBe(listing.pid);
  listing.kill();
  await listing.exited;
  const row = /\r\nplanted-\d+/;
  expect(await trouble.mended(newcomer)).toMatch(/serving: http.*planted-/s);
  // With a server, nobody waits for a listing any more.
  const another = await unread(sandbox);
  expect((await ask()).shown).toMatch(row);
  another.kill();
  await newcomer.type("session-buddy mcp stop");

  const script = join(import.meta.dir, "../support/duckdb.ts");
  const program = Bun.spawn(
    [process.execPath, script, sandbox.database, "SELECT 1"],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  );
  await program.stdout.getReader().read();
  const open = await ask();
  trouble.seen(open.shown, "is open in");
  expect(open.shown).toContain(`(pid ${program.pid})`);
  expect(open.status).toBe(7);
  await program.stdin.end();
  await program.exited;
  expect(await trouble.mended(newcomer)).toMatch(/serving: http.*planted-/s);
}, 400_000);

/** A listing under way whose output nobody takes. */
async function unread(sandbox: Sandbox): Promise<Bun.Subprocess> {
  // A pipe of our own: the runtime would read its pipes ahead, to their end. Another one
  // each time: what a listing before has left in it would be taken for this one's.
  const pipe = join(sandbox.home, `unread-${crypto.randomUUID()}`);
  await sandbox.command(["mkfifo", pipe]);
  const fd = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  const child = Bun.spawn(
    ["sh", "-c", `exec ${BINARY} list-sessions > '${pipe}'`],
    { env: sandbox.env },
  );
  await until("the listing's first byte", () => firstByte(fd));
  return child;
}

function firstByte(fd: number): boolean {
  try {
    return readSync(fd, new Uint8Array(1)) === 1;
  } catch {
    // It has written nothing yet.
    return false;
  }
}

test("no case of the page is left out", () => {
  const cases = SECTIONS.map(({ name }) => name).filter((name) =>
    name.startsWith("Troubleshooting / "),
  );
  expect(cases.sort()).toEqual(CASES.map(({ name }) => name).sort());
});
