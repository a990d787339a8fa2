/**
 * What README.md and docs/ say holds: the commands of each page, typed one after
 * the other by somebody who has just recorded a first session, its tables, pictures,
 * settings and links. Troubleshooting and the snippets for clients have tests of
 * their own.
 */
import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { RECORDING, ROUTES, isOfPage } from "../../src/server/http/routes.ts";
import {
  KEYS,
  PROFILE_KEYS,
  VARIABLES,
  defaults,
} from "../../src/config/keys.ts";
import { freePort } from "../support/free-port.ts";
import { configure } from "../support/host.ts";
import { Newcomer, tidied } from "../support/newcomer.ts";
import { derived } from "../support/derived.ts";
import { BLOCKS, PAGES, commandsOf, page, section } from "../support/pages.ts";
import { Pty } from "../support/pty.ts";
import { PICTURE } from "../support/pictures.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

const ROOT = join(import.meta.dir, "../..");

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

/** The two that build run this test, and would be undone by it. */
const BUILDS = "npx ";

const typed = PAGES.map(({ file }) => file).filter((file) =>
  commandsIn(file).some((command) => !command.startsWith(BUILDS)),
);

test.each(typed)(
  "the commands of %s work in their order, as a newcomer types them",
  async (file) => {
    if (!needs("curl", "python3")) return;
    using sandbox = new Sandbox();
    mahavishnu(sandbox);
    claude(sandbox);
    const port = `${await freePort()}`;
    const env = {
      SESSION_BUDDY_PORT: port,
      PYTHONPATH: join(sandbox.home, "python"),
    };
    await using _ = tidied(sandbox);
    await using newcomer = await Newcomer.atTerminal(sandbox, env);
    // There is something to ask about.
    const first = await newcomer.type("session-buddy shell");
    await newcomer.type("session-buddy shell -- python3 -m mahavishnu shell");
    const hex = /Session ID: \S+-([0-9a-f]{8})/.exec(first.shown)![1]!;
    for (const written of commandsIn(file)) {
      if (written.startsWith(BUILDS)) continue;
      const command = written
        .replaceAll("8678", port)
        .replaceAll("1a2b3c4d", hex);
      const { status, shown } = await newcomer.type(command);
      expect([command, status, shown]).toEqual([command, 0, shown]);
      for (const [which, wanted] of SHOWN)
        if (which.test(written)) expect(shown).toMatch(wanted);
      const log = / > (\S+) 2>&1 &/.exec(written)?.[1];
      // A person takes a breath meanwhile.
      if (log)
        await until("the server", () => left(sandbox, log).includes("ready"));
      if (written.startsWith("claude mcp add"))
        await askAsClaude(sandbox, port);
    }
    for (const [page, name, begins] of LEFT)
      if (page === file) expect(left(sandbox, name)).toMatch(begins);
  },
);

/** What is broken in troubleshooting has to be broken first: pages-trouble.test.ts. */
function commandsIn(file: string): string[] {
  return BLOCKS.filter(
    ({ page, language, section }) =>
      page === file &&
      language === "sh" &&
      !section.startsWith("Troubleshooting / "),
  ).flatMap(commandsOf);
}

/** The files that a page's commands leave, and what is in them. */
const LEFT: [page: string, name: string, begins: RegExp][] = [
  ["docs/commands.md", "sessions.csv", /^session_id,/],
  ["docs/server.md", "mcp.log", /ready \(pid \d+\)/],
  ["docs/server.md", ".config/systemd/user/session-buddy.service", /mcp start/],
];

function left(sandbox: Sandbox, name: string): string {
  const path = join(sandbox.home, name);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** The package whose shell the pages wrap. */
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
  expect(first!.page).toBe("README.md");
  const commands = commandsOf(first!);
  expect(commands).toHaveLength(2);
  for (const command of commands) {
    const words = /^npx -y (bun@\S+) run (\w+) +#/.exec(command)!;
    expect(words[1]).toBe(packageJson.packageManager);
    expect(Object.keys(packageJson.scripts)).toContain(words[2]!);
  }
});

// To mend it: bun run docs
test.each(PAGES)(
  "the tables and pictures of $file are what the executable shows",
  async (page) => {
    expect(page.text).toBe(await derived(page));
  },
);

test("the banner is what a person sees, but for the id", async () => {
  const { text } = section("Recording / A wrapped shell");
  const [, banner] = /^```\n\$ session-buddy shell\n([^]*?)^```$/m.exec(text)!;
  const lines = banner!.trimEnd().split("\n");
  using sandbox = new Sandbox();
  await using pty = new Pty(sandbox, [BINARY, "shell"], { columns: 120 });
  await pty.expect(/[$#] $/);
  const shown = pty.text().replaceAll("\r", "").split("\n");
  const same = (all: readonly string[]) =>
    all
      .slice(0, lines.length)
      .join("\n")
      .replace(/-\d{8}-\d{6}-\w+/, "-ID");
  expect(same(shown)).toBe(same(lines));
});

/** Who reads the blocks of a language: a test here, or in the file that is named. */
const READ_BY: Record<string, RegExp> = {
  sh: /./,
  console: /^\$ session-buddy /,
  yaml: /./,
  // wrap-argv.test.ts, login-shell.test.ts
  bash: /^(# the end of ~\/\.bashrc|#!\/bin\/sh)\n/,
  // pages-clients.test.ts
  ...{ json: /./, toml: /./, python: /./ },
  // many-hosts.test.ts
  ...{ sql: /./, shell: /./, ini: /./ },
  // The page says that nobody here has run them.
  ...{ nginx: /./, compose: /./, citus: /./ },
};

test("no block of any page is without a test", () => {
  const unread = BLOCKS.filter(
    ({ language, text }) => !READ_BY[language]?.test(text),
  );
  expect(unread).toEqual([]);
  // What has no language is the banner and the drawings.
  const fences = PAGES.flatMap(({ text }) => [...text.matchAll(/^```/gm)]);
  expect(fences.length / 2).toBe(BLOCKS.length + 3);
});

test("those that are derived are there", () => {
  expect(page("docs/server.md").text).toContain("| `track_session_start` |");
  expect(page("docs/commands.md").text).toContain("| `list-sessions` |");
  expect([...page("README.md").text.matchAll(PICTURE)]).toHaveLength(4);
});

test("every page is linked from the front page, and every link leads to its place", () => {
  const wrong: string[] = [];
  const reached = new Set(["README.md"]);
  for (const { file, text } of [...PAGES, ...others()])
    for (const [, target] of unfenced(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const [path, place] = target!.split("#") as [string, string?];
      const to = path ? join(dirname(file), path) : file;
      if (file === "README.md") reached.add(to);
      if (!existsSync(join(ROOT, to))) wrong.push(`${file}: ${target}`);
      else if (place !== undefined && !anchorsOf(to).includes(place))
        wrong.push(`${file}: ${target}`);
    }
  expect(wrong).toEqual([]);
  expect(PAGES.map(({ file }) => file).filter((f) => !reached.has(f))).toEqual(
    [],
  );
});

const others = () =>
  ["CONTRIBUTING.md", "CHANGELOG.md"].map((file) => ({
    file,
    text: readFileSync(join(ROOT, file), "utf8"),
  }));
const unfenced = (text: string) => text.replace(/^```[^]*?^```$/gm, "");

/** Of a file's headings, as GitHub makes them. */
function anchorsOf(file: string): string[] {
  const text = unfenced(readFileSync(join(ROOT, file), "utf8"));
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

test("the table of routes has every route, and no other is answered", async () => {
  const named = [
    ...section("The server / Over HTTP").text.matchAll(/\| (`.+?`) +\|/g),
  ]
    .flatMap(([, cell]) => [...cell!.matchAll(/`(?:\w+ )?(\/[\w/.]+)`/g)])
    .map(([, path]) => path!);
  // Those of the dashboard are its page's alone.
  const public_ = ROUTES.filter((route) => !isOfPage(route));
  expect(named.sort()).toEqual(public_.sort());
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  for (const path of [...named, "/other"]) {
    const { status } = await fetch(`${server.origin}${path}`);
    // Of the recording of a session that there is not.
    const none = path === "/other" || path === RECORDING;
    const wanted = path === "/mcp" ? 405 : none ? 404 : 200;
    expect([path, status]).toEqual([path, wanted]);
  }
});

test("the settings are all there, with their defaults, and are taken as they stand", async () => {
  const block = BLOCKS.find(
    ({ page, language, text }) =>
      page === "docs/settings.md" &&
      language === "yaml" &&
      /^session:/m.test(text),
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

test.each(BLOCKS.filter(({ language }) => language === "yaml"))(
  "a file of settings with what $page shows below $section is a valid one",
  async ({ text }) => {
    using sandbox = new Sandbox();
    const file = configure(sandbox, text);
    const { exitCode, stderr } = await sandbox.run(["config", "--check"]);
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(readFileSync(file, "utf8")).toBe(text);
  },
);

test("every variable that is read is named", () => {
  const read = new Set([...VARIABLES.keys(), "BODAI_SHARED_SECRET"]);
  const sources = new Bun.Glob("src/**/*.ts");
  for (const file of sources.scanSync(ROOT))
    for (const [, name] of readFileSync(join(ROOT, file), "utf8").matchAll(
      /env\["(SESSION_BUDDY_\w+)"\]/g,
    ))
      read.add(name!);
  expect(read.size).toBeGreaterThan(VARIABLES.size + 3);
  const { text } = page("docs/settings.md");
  for (const name of read) expect(text).toContain(`\`${name}\``);
});
