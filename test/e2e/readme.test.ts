/**
 * What the README says holds: its commands, typed one after the other by
 * somebody who has just built the executable, its tables and its settings.
 * Troubleshooting and the snippets for clients have tests of their own.
 */
import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { ROUTES } from "../../src/server/http/routes.ts";
import {
  KEYS,
  PROFILE_KEYS,
  VARIABLES,
  defaults,
} from "../../src/config/keys.ts";
import { configure } from "../support/host.ts";
import { Newcomer, freePort, tidied } from "../support/newcomer.ts";
import { BLOCKS, README, commandsOf, section } from "../support/readme.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import {
  type ListedTool,
  toolTable,
  withTable,
} from "../support/tool-table.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

/** What is seen after a command, where its exit status is not enough. */
const SHOWN: [RegExp, RegExp][] = [
  [/^session-buddy shell( +#|$)/, /Session Tracking: ✓ Enabled/],
  [/ python3 -m mahavishnu shell/, /Component: mahavishnu/],
  [/^session-buddy list-sessions +#/, /\bmahavishnu-\d{8}-\d{6}-[0-9a-f]{8} /],
  [/^session-buddy show-session +#/, /\nsession_id: +mahavishnu-/],
  [/--format json/, /"component_name":"mahavishnu"/],
  [/mcp start --detach/, /serving: http:\/\/127\.0\.0\.1:\d+\/mcp \(pid \d+\)/],
  [/mcp status/, /running: http:\/\/127\.0\.0\.1:\d+\/mcp \(pid \d+/],
  [/mcp health/, /healthy\r\n {2}database: +ok/],
  [/mcp restart/, /restarted: http:\/\/127\.0\.0\.1:\d+\/mcp \(pid \d+\)/],
  [/mcp stop/, /stopped \(pid \d+\)/],
  [/^curl .*list_sessions/s, /"sessions":\[\{"session_id":"mahavishnu-/],
  [/^session-buddy doctor/, /✓ trial_session: /],
  [/^session-buddy selftest/, /✓ The database holds the same/],
  [/^session-buddy token/, /\r\n[\w-]+\.[\w-]+\.[\w-]+\r\n/],
];

test("the README's commands work in their order, as a newcomer types them", async () => {
  if (!needs("curl", "python3")) return;
  using sandbox = new Sandbox();
  mahavishnu(sandbox);
  claude(sandbox);
  const port = `${freePort()}`;
  const env = {
    SESSION_BUDDY_PORT: port,
    PYTHONPATH: join(sandbox.home, "python"),
  };
  await using _ = tidied(sandbox);
  await using newcomer = await Newcomer.atTerminal(sandbox, env);
  const left = (name: string) => {
    const path = join(sandbox.home, name);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  };
  let hex = "";
  let typed = 0;
  for (const block of BLOCKS) {
    if (block.language !== "sh") continue;
    // The two that build: this test is run by the one and would be undone by the other.
    if (block.section === "") continue;
    // What is broken there has to be broken first: readme-trouble.test.ts.
    if (block.section.startsWith("Troubleshooting / ")) continue;
    for (const written of commandsOf(block)) {
      const command = written
        .replaceAll("8678", port)
        .replaceAll("1a2b3c4d", hex);
      const { status, shown } = await newcomer.type(command);
      expect([command, status, shown]).toEqual([command, 0, shown]);
      for (const [which, wanted] of SHOWN)
        if (which.test(written)) expect(shown).toMatch(wanted);
      const log = / > (\S+) 2>&1 &/.exec(written)?.[1];
      // A person takes a breath meanwhile.
      if (log) await until("the server", () => left(log).includes("ready"));
      if (written.startsWith("claude mcp add"))
        await askAsClaude(sandbox, port);
      hex ||= /Session ID: \S+-([0-9a-f]{8})/.exec(shown)?.[1] ?? "";
      typed++;
    }
  }
  expect(typed).toBeGreaterThan(20);
  expect(left("sessions.csv")).toStartWith("session_id,");
  expect(left("mcp.log")).toMatch(/ready \(pid \d+\)/);
  expect(left(".config/systemd/user/session-buddy.service")).toContain(
    "mcp start",
  );
}, 180_000);

/** The package whose shell the README wraps. */
function mahavishnu(sandbox: Sandbox): void {
  const folder = join(sandbox.home, "python/mahavishnu");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "__main__.py"), "print('a python shell')\n");
}

/** Claude Code is not to be had here: in its place stands what keeps its words. */
function claude(sandbox: Sandbox): void {
  mkdirSync(join(sandbox.home, "bin"), { recursive: true });
  writeFileSync(
    join(sandbox.home, "bin/claude"),
    `#!/bin/sh\nprintf '%s\\n' "$@" > ~/claude.argv\n`,
    { mode: 0o755 },
  );
}

/** Does with those words what Claude Code does: asks that address for its tools. */
async function askAsClaude(sandbox: Sandbox, port: string): Promise<void> {
  const words = readFileSync(join(sandbox.home, "claude.argv"), "utf8")
    .trimEnd()
    .split("\n");
  const { stdout } = await sandbox.run(["mcp", "status", "--json"], {
    env: { SESSION_BUDDY_PORT: port },
  });
  const { url } = JSON.parse(stdout) as { url: string };
  expect(words.slice(0, 6)).toEqual([
    ...["mcp", "add", "--transport", "http", "session-buddy", url],
  ]);
  const header = words[words.indexOf("--header") + 1] ?? "";
  const sent = words.includes("--header")
    ? { authorization: /^Authorization: (Bearer \S+)$/.exec(header)![1]! }
    : {};
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...sent },
    body: JSON.stringify({
      ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
      params: { name: "list_sessions", arguments: {} },
    }),
  });
  expect(response.status).toBe(200);
}

test("the two commands that build name the runtime that is pinned, and scripts that are there", () => {
  const [first] = BLOCKS;
  expect(first!.section).toBe("");
  const commands = commandsOf(first!);
  expect(commands).toHaveLength(2);
  for (const command of commands) {
    const words = /^npx -y (bun@\S+) run (\w+) +#/.exec(command)!;
    expect(words[1]).toBe(packageJson.packageManager);
    expect(Object.keys(packageJson.scripts)).toContain(words[2]!);
  }
});

test("the table of tools is what the server lists", async () => {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const response = await server.post({
    ...{ jsonrpc: "2.0", id: 1, method: "tools/list" },
  });
  const { result } = (await response.json()) as {
    result: { tools: ListedTool[] };
  };
  // To mend it: bun test/support/tool-table.ts
  expect(README).toBe(withTable(README, toolTable(result.tools)));
  expect(README).toContain("| `track_session_start` |");
});

test("the table of routes has every route, and no other is answered", async () => {
  const named = [
    ...section("The server / Over HTTP").text.matchAll(/\| (`.+?`) +\|/g),
  ]
    .flatMap(([, cell]) => [...cell!.matchAll(/`(?:\w+ )?(\/\w+)`/g)])
    .map(([, path]) => path!);
  expect(named.sort()).toEqual([...ROUTES].sort());
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  for (const path of [...named, "/other"]) {
    const { status } = await fetch(`${server.origin}${path}`);
    const wanted = path === "/mcp" ? 405 : path === "/other" ? 404 : 200;
    expect([path, status]).toEqual([path, wanted]);
  }
});

test("the settings are all there, with their defaults, and are taken as they stand", async () => {
  const block = BLOCKS.find(
    ({ language, text }) => language === "yaml" && /^session:/m.test(text),
  )!;
  const settings = Bun.YAML.parse(block.text) as Record<string, unknown>;
  const config = defaults();
  const named: string[] = [];
  const walk = (node: unknown, path: string) => {
    const leaf = KEYS.get(path);
    if (leaf) leaf.set(config, leaf.parse(node as never) as never);
    if (leaf || path === "profiles") return void named.push(path);
    for (const [key, value] of Object.entries(node as object))
      walk(value, path ? `${path}.${key}` : key);
  };
  walk(settings, "");
  expect(named.sort()).toEqual([...KEYS.keys(), "profiles"].sort());
  expect(config).toEqual(defaults());
  const profiles = Object.values(settings["profiles"] as object) as object[];
  const fields = profiles.flatMap((profile) => Object.keys(profile));
  expect([...new Set(fields)].sort()).toEqual([...PROFILE_KEYS.keys()].sort());
  using sandbox = new Sandbox();
  const file = configure(sandbox, block.text);
  expect(statSync(file).size).toBeGreaterThan(500);
  expect(await sandbox.list()).toEqual([]);
});

test("every variable that is read is named", () => {
  const read = new Set([...VARIABLES.keys(), "BODAI_SHARED_SECRET"]);
  const sources = new Bun.Glob("src/**/*.ts");
  const root = join(import.meta.dir, "../..");
  for (const file of sources.scanSync(root))
    for (const [, name] of readFileSync(join(root, file), "utf8").matchAll(
      /env\["(SESSION_BUDDY_\w+)"\]/g,
    ))
      read.add(name!);
  expect(read.size).toBeGreaterThan(VARIABLES.size + 3);
  for (const name of read) expect(README).toContain(`\`${name}\``);
});
