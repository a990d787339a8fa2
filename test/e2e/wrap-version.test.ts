/** Whose version a session names, and how it is found out. */
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { executable, recorded, recordedLong } from "../support/recorded.ts";
import { Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import { gone, until } from "../support/wait.ts";

test("the version is the wrapped shell's own", async () => {
  if (!needs("bash", "zsh", "fish")) return;
  using sandbox = new Sandbox();
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout } = await sandbox.command([shell, "--version"]);
    const session = await recordedLong(sandbox, ["--", shell, "-c", "read x"]);
    expect(session.shell_type).toBe(shell);
    const { version } = session.metadata;
    expect(version).toMatch(/^\d+\.\d/);
    expect(stdout).toContain(version as string);
    expect(session.metadata["shell_version"]).toBe(version!);
  }
  expect(
    (await recorded(sandbox, ["--", "true"])).metadata["version"],
  ).toBeNull();
});

test("the version of a login shell is that of $SHELL, not of a namesake on PATH", async () => {
  using sandbox = new Sandbox();
  const folder = join(sandbox.home, "own");
  mkdirSync(folder);
  executable(
    join(folder, "bash"),
    '#!/bin/sh\n[ "$1" = --version ] && echo "GNU bash, version 9.8.7-own" && exit\nread -r line\nexit 0\n',
  );
  const env = { SHELL: join(folder, "bash") };
  for (const flags of [[], ["-l"]]) {
    const session = await recordedLong(sandbox, flags, env);
    expect(session.metadata["version"]).toBe("9.8.7-own");
  }
});

test("a version that nobody tells in time is null, and holds nothing up for long", async () => {
  using sandbox = new Sandbox();
  executable(
    join(sandbox.home, "bash"),
    '#!/bin/sh\n[ "$1" = --version ] && echo $$ > "$HOME/asked" && exec sleep 1000\nuntil [ -s "$HOME/asked" ]; do :; done\n',
  );
  const session = await recorded(sandbox, ["--", join(sandbox.home, "bash")]);
  expect(session).toMatchObject({
    status: "ended",
    metadata: { version: null },
  });
  await gone(Number(readFileSync(join(sandbox.home, "asked"), "utf8")));
});

test("a wrapped python tells its version", async () => {
  if (!needs("/usr/bin/python3")) return;
  using sandbox = new Sandbox();
  const python = [
    "/usr/bin/python3",
    "-c",
    "import platform; print(platform.python_version())",
  ];
  const version = (await sandbox.command(python)).stdout.trim();
  const session = await recordedLong(sandbox, [
    "--",
    "/usr/bin/python3",
    "-c",
    "input()",
  ]);
  expect(session).toMatchObject({
    python_version: version,
    shell_type: "python",
    component_name: "python",
    metadata: { version },
  });
  expect(
    (await recorded(sandbox, ["--", "bash", "-c", ":"])).python_version,
  ).toBeNull();
});

test("python -m PACKAGE tells the package's version, also under another name", async () => {
  if (!needs("/usr/bin/python3")) return;
  using sandbox = new Sandbox();
  const site = join(sandbox.home, "site");
  /** Python may tell too late on a busy machine. */
  const told = (args: string[]) =>
    until("what Python tells of itself", async () => {
      const session = await recordedLong(sandbox, args, { PYTHONPATH: site });
      return session.python_version !== null && session;
    });
  for (const [module, distribution, version] of [
    ["crewtool", "crewtool", "3.2.1"],
    ["othername", "Some-Distribution", "0.9.0rc1"],
  ] as const) {
    const info = join(
      site,
      `${distribution.replace("-", "_")}-${version}.dist-info`,
    );
    mkdirSync(info, { recursive: true });
    mkdirSync(join(site, module));
    writeFileSync(join(site, module, "__init__.py"), "");
    writeFileSync(join(site, module, "__main__.py"), "input()\n");
    writeFileSync(
      join(info, "METADATA"),
      `Metadata-Version: 2.1\nName: ${distribution}\nVersion: ${version}\n`,
    );
    writeFileSync(join(info, "top_level.txt"), `${module}\n`);
    const args = ["--", "/usr/bin/python3", "-m", module, "shell"];
    const session = await told(args);
    expect(session).toMatchObject({
      component_name: module,
      metadata: { version },
    });
    expect(session.python_version).toMatch(/^3\./);
  }
  writeFileSync(join(site, "bare.py"), "input()\n");
  const args = ["--", "/usr/bin/python3", "-m", "bare"];
  const bare = await told(args);
  expect(bare.metadata["version"]).toBeNull();
  expect(bare.python_version).toMatch(/^3\./);
});
