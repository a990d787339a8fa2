/** What others recorded, or typed, never reaches a terminal as it is. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { plant } from "../support/host.ts";
import { BINARY, Sandbox, type SessionJson } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";

const HOSTILE =
  "a\u200b\ufeff\x1b]0;pwned\x07\x9b2J\x7f\u202egpj\u2066.exe\nEXIT\t0\r\u2028\u2029\x85 b";
/** What no output of ours may hold, newlines and tabs of the tables aside. */
// oxlint-disable-next-line no-control-regex
const UNSAFE =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\u200b-\u200d\ufeff]/;

test("recorded text is shown escaped, everywhere", async () => {
  using sandbox = new Sandbox();
  const [id] = plant(sandbox, [
    {
      ...{ component_name: HOSTILE, username: HOSTILE, name: HOSTILE },
      ...{ cwd: HOSTILE, shell_type: HOSTILE, session_type: HOSTILE },
      ...{ tags: [HOSTILE], signal: HOSTILE },
      metadata: { [HOSTILE]: HOSTILE, nested: { [HOSTILE]: [HOSTILE] } },
    },
  ]);
  const { stdout: row } = await sandbox.run(["list-sessions"]);
  expect(row).not.toMatch(UNSAFE);
  expect(row.match(/\n/g)).toHaveLength(1);
  expect(row.split("\t")).toHaveLength(8);
  expect(row.split(/\s+/)).toHaveLength(9);
  expect(row).toContain(
    "a\\u200b\\ufeff\\x1b]0;pwned\\x07\\x9b2J\\x7f\\u202egpj\\u2066.exe\\nEXIT\\t0\\r\\u2028\\u2029\\x85\\x20b",
  );
  const { stdout: text } = await sandbox.run(["show-session"]);
  expect(text).not.toMatch(UNSAFE);
  expect(text).not.toContain("\t");
  // The fields, `metadata:`, the 13 keys of every session but for the three that
  // are fields, and two of its own.
  const row_json = (await sandbox.list())[0]!;
  const fields = Object.keys(row_json).length - 2;
  expect(text.split("\n")).toHaveLength(fields + 1 + 13 - 3 + 2 + 1);
  for (const words of [
    ["list-sessions", "--json"],
    ["show-session", "--json"],
  ]) {
    const { stdout } = await sandbox.run(words);
    expect(stdout).not.toMatch(UNSAFE);
    const session = [JSON.parse(stdout)].flat()[0] as SessionJson;
    expect(session).toMatchObject({ session_id: id!, name: HOSTILE });
    expect(session.metadata[HOSTILE]).toBe(HOSTILE);
  }
  if (!needs("script")) return;
  const command = ["script", "-qec", `${BINARY} list-sessions`, "/dev/null"];
  const { stdout: table } = await sandbox.command(command);
  expect(table.replaceAll("\r\n", "\n")).not.toMatch(UNSAFE);
});

test("what was typed comes back escaped, in sentences and in the banner", async () => {
  using sandbox = new Sandbox();
  const file = join(sandbox.home, "c.yaml");
  writeFileSync(file, JSON.stringify({ [HOSTILE]: HOSTILE }));
  for (const words of [
    ["show-session", HOSTILE],
    [HOSTILE],
    ["list-sessions", HOSTILE],
    ["list-sessions", `--${HOSTILE}`],
    ["list-sessions", "--after", HOSTILE],
    ["list-sessions", "--config", HOSTILE],
    ["list-sessions", "--config", file],
    ["shell", "--component", HOSTILE],
    ["shell", "--profile", HOSTILE],
    ["shell", "--", HOSTILE],
  ]) {
    const run = await sandbox.run(words);
    expect(run.exitCode).not.toBe(0);
    expect(run.stderr).toMatch(/^session-buddy: [^\n]+\n$/);
    expect(run.stderr).not.toMatch(UNSAFE);
  }
  if (!needs("script")) return;
  const env = { HOSTILE, SB: BINARY, FILE: file };
  const command = `$SB shell --config $FILE --shell-type "$HOSTILE" -- true`;
  const { stdout: banner } = await sandbox.command(
    ["script", "-qec", command, "/dev/null"],
    { env },
  );
  expect(banner).toContain("is not a setting");
  expect(banner.replaceAll("\r\n", "\n")).not.toMatch(UNSAFE);
});
