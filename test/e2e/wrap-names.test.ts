/** Names that make a session's id, and a spool that cannot be locked. */
import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { NO_LOCKS, withoutLocks } from "../support/locks.ts";
import { executable, recorded } from "../support/recorded.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";

const NAMES = [
  ["über-tool", "uber-tool"],
  ["日本語", "program"],
  ["-x", "x"],
  ["--help", "help"],
  ["…", "program"],
  ["été 2", "ete-2"],
  ["naïve—tool", "naive-tool"],
] as const;

test.each(NAMES)(
  "a program called %p makes the component %p",
  async (name, component) => {
    using sandbox = new Sandbox();
    const folder = join(sandbox.home, "own");
    mkdirSync(folder);
    executable(join(folder, name), "#!/bin/sh\nexit 0\n");
    const session = await recorded(sandbox, ["--", join(folder, name)]);
    expect(session.component_name).toBe(component);
    expect(session.session_id).toStartWith(`${component}-20`);
  },
);

test.each([
  { flags: ["--component=--help"] },
  { flags: ["--component", "--help"] },
  { flags: ["--component=-x"] },
  { flags: ["--component="] },
])(
  "a component that begins with a dash, or none, is refused: $flags",
  async ({ flags }) => {
    using sandbox = new Sandbox();
    const done = await sandbox.run(["shell", ...flags, "--", "true"]);
    expect(done).toMatchObject({ exitCode: 64, stdout: "" });
    expect(done.stderr).toContain(
      "is not a component name (letters, digits, _ and -, not first a -, at most 100)",
    );
  },
);

test.each(Object.entries(NO_LOCKS))(
  "without locks (%s) a session is recorded and told from its process alone; strict refuses",
  async (_, errno) => {
    if (!needs("/usr/bin/python3")) return;
    using sandbox = new Sandbox();
    const argv = [...withoutLocks(errno), BINARY, "shell"];
    const done = await sandbox.command([...argv, "--", "sh", "-c", "exit 3"]);
    expect(done).toMatchObject({ exitCode: 3, stdout: "", stderr: "" });
    expect(sandbox.spooled()[0]).toMatchObject({ lock: "none" });
    const strict = [...argv, "--audit", "strict", "--", "echo", "ran"];
    const refused = await sandbox.command(strict);
    expect(refused).toMatchObject({ exitCode: 125, stdout: "" });
    expect(refused.stderr).toContain(
      "the audit is strict: the spool cannot be locked, its filesystem has no locks (",
    );
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      exit_code: 3,
    });
  },
);
