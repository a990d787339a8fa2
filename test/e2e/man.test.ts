/** Manual pages: as man(1) and mandoc read them, and as they come and go in a home. */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandPage } from "../../src/render/man.ts";
import { expectFailure } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";

const folderOf = ({ home }: Sandbox) => join(home, ".local/share/man/man1");

test("there is a page a command, without a complaint of mandoc or groff", async () => {
  if (!needs("man", "mandoc", "groff")) return;
  using sandbox = new Sandbox();
  const written = await sandbox.run(["install", "man", "--write"]);
  expect(written).toMatchObject({ exitCode: 0, stdout: "" });
  const folder = folderOf(sandbox);
  const names = readdirSync(folder);
  const { stdout: overview } = await sandbox.run(["--help"]);
  const commands = [
    ...overview
      .split("COMMANDS\n")[1]!
      .split("\n\n")[0]!
      .matchAll(/^ {2}(\S+(?: \S+)?) {2}/gm),
  ].map(([, name]) => name!);
  expect(commands.length).toBeGreaterThan(25);
  expect(names.sort()).toEqual(
    ["session-buddy.1"]
      .concat(
        commands.map((each) => `session-buddy-${each.replaceAll(" ", "-")}.1`),
      )
      .sort(),
  );
  const files = names.map((name) => join(folder, name));
  const lint = await sandbox.command([
    ...["mandoc", "-Tlint", "-Wwarning", ...files],
  ]);
  expect(lint).toMatchObject({ stdout: "", stderr: "", exitCode: 0 });
  for (const file of files) {
    const shown = await sandbox.command(["man", "--warnings", "-l", file], {
      env: { MANWIDTH: "78", MANPAGER: "cat" },
    });
    expect([file, shown.stderr, shown.exitCode]).toEqual([file, "", 0]);
    for (const section of ["NAME", "SYNOPSIS", "DESCRIPTION"])
      expect(shown.stdout).toContain(`\n${section}\n`);
  }
});

test("a page says what help says", async () => {
  if (!needs("man")) return;
  using sandbox = new Sandbox();
  const { stdout } = await sandbox.run(["install", "man", "mcp", "start"]);
  const page = join(sandbox.home, "page.1");
  writeFileSync(page, stdout);
  const shown = await sandbox.command(["man", "-l", page], {
    env: { MANWIDTH: "1000", MANPAGER: "cat" },
  });
  const help = await sandbox.run(["mcp", "start", "--help"]);
  for (const [, flag] of help.stdout.matchAll(/^ {2,6}(--[\w-]+)/gm))
    expect(shown.stdout).toContain(flag!);
  const words = (text: string) => text.replace(/\s+/g, " ");
  const example = "session-buddy mcp start --detach --port auto";
  expect(words(shown.stdout)).toContain(
    `EXAMPLES session-buddy mcp start ${example}`,
  );
  expect(words(shown.stdout)).toContain("session-buddy-mcp-stop(1)");
  // The name that a command has beside its own is as good.
  const [alias, full] = await Promise.all(
    ["ls", "list-sessions"].map((name) =>
      sandbox.run(["install", "man", name]),
    ),
  );
  expect(alias!.stdout).toBe(full!.stdout);
  expectFailure(
    await sandbox.run(["install", "man", "list-sesions"]),
    64,
    /did you mean list-sessions\?/,
  );
});

test("no text is a request", async () => {
  if (!needs("man")) return;
  using sandbox = new Sandbox();
  const text = [
    "Does this.",
    ".so /etc/passwd\n'ig\n.de x\n\\*[x] \\fBy\\fP \\n(.z",
    "  .pso touch done\n  'sy touch done\n  \\X'tty: x'",
    "EXAMPLES\n  a^b~c`d'e\"f-g\\h …",
  ].join("\n\n");
  const page = commandPage(
    "try it",
    {
      description: text,
      args: { ".flag": { type: "string", description: ".ig\n\\c" } },
    },
    { version: "1", date: "2026-02-06" },
    [],
  );
  const file = join(sandbox.home, "page.1");
  writeFileSync(file, page);
  const shown = await sandbox.command(["man", "-E", "utf-8", "-l", file], {
    env: { MANWIDTH: "200", MANPAGER: "cat" },
  });
  for (const line of [
    ".so /etc/passwd 'ig .de x \\*[x] \\fBy\\fP \\n(.z",
    ".pso touch done",
    "'sy touch done",
    "\\X'tty: x'",
    "a^b~c`d'e\"f-g\\h …",
    "--.flag .FLAG",
    ".ig \\c",
  ])
    expect(shown.stdout).toContain(line);
  expect(readdirSync(sandbox.home)).toEqual(["page.1"]);
});

test("pages go when they are removed, or their command is; what is not ours stays", async () => {
  using sandbox = new Sandbox();
  const folder = folderOf(sandbox);
  const install = (word: string) => sandbox.run(["install", "man", word]);
  await install("--write");
  const names = readdirSync(folder);
  const ours = readFileSync(join(folder, "session-buddy.1"), "utf8");
  writeFileSync(join(folder, "session-buddy-gone.1"), ours);
  writeFileSync(join(folder, "other.1"), ours);
  await install("--write");
  expect(readdirSync(folder).sort()).toEqual([...names, "other.1"].sort());
  expect((await install("--remove")).stderr).toContain(`${names.length} pages`);
  expect(readdirSync(folder)).toEqual(["other.1"]);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "session-buddy.1"), "somebody's\n");
  for (const word of ["--write", "--remove"])
    expectFailure(await install(word), 64, /is not of session-buddy's making/);
});
