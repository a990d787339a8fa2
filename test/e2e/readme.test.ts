/**
 * Every `session-buddy` line of the README is run as it stands there.
 */
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";

const readme = readFileSync(join(import.meta.dir, "../../README.md"), "utf8");
const lines = [...readme.matchAll(/```sh\n([^]*?)```/g)]
  .flatMap((block) => block[1]!.split("\n"))
  .map((line) => line.replace(/\s+#.*/, "").trim())
  .filter((line) => line.startsWith("session-buddy "));

test("the README's commands run as they stand", async () => {
  using sandbox = new Sandbox();
  // The package whose shell the README wraps, and the name on the PATH.
  const python = join(sandbox.home, "python/mahavishnu");
  mkdirSync(python, { recursive: true });
  writeFileSync(join(python, "__main__.py"), "print('a python shell')\n");
  mkdirSync(join(sandbox.home, "bin"));
  const launcher = join(sandbox.home, "bin/session-buddy");
  writeFileSync(launcher, `#!/bin/sh\nexec ${BINARY} "$@"\n`, { mode: 0o755 });
  const env = {
    PATH: `${sandbox.home}/bin:${sandbox.env["PATH"]}`,
    PYTHONPATH: join(sandbox.home, "python"),
  };
  expect(lines.length).toBeGreaterThan(5);
  await sandbox.run(["shell", "--", "true"]);
  const hex = (await sandbox.only()).session_id.slice(-8);
  for (const written of lines) {
    const line = written.replace("1a2b3c4d", hex);
    await using pty = new Pty(sandbox, ["sh", "-c", line], { env });
    if (line === "session-buddy shell") {
      await pty.expect(/[$#] $/);
      pty.line("exit");
    }
    expect([line, await pty.ended()]).toEqual([
      line,
      { code: 0, signal: null },
    ]);
  }
});
