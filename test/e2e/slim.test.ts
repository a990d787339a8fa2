/**
 * A slim image: a root folder with the executable and the C library alone.
 * Shells are recorded there; who asks hears which library is missing, and once
 * it is there all works.
 */
import { afterAll, expect, test } from "bun:test";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { BINARY } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";

const root = mkdtempSync(join(tmpdir(), "sb-slim-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** The libraries that a program is linked with, by where they are. */
function librariesOf(program: string): string[] {
  const { stdout } = Bun.spawnSync(["ldd", program]);
  return [...`${stdout}`.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
}

function bring(path: string): void {
  mkdirSync(join(root, dirname(path)), { recursive: true });
  copyFileSync(realpathSync(path), join(root, path));
}

function inside(...argv: string[]) {
  const script = `mount -t proc proc '${root}/proc' && exec chroot '${root}' "$@"`;
  const done = Bun.spawnSync(
    [
      "unshare",
      "-m",
      "--propagation",
      "private",
      "sh",
      "-c",
      script,
      "sh",
    ].concat(argv),
    { env: { HOME: "/root", PATH: "/bin:/usr/bin:/sbin:/usr/sbin" } },
  );
  const { exitCode } = done;
  return { exitCode, stdout: `${done.stdout}`, stderr: `${done.stderr}` };
}

test("without libstdc++ shells are recorded, and who asks hears what to install", () => {
  if (process.geteuid!() !== 0 || !needs("unshare", "chroot", "ldd")) return;
  for (const folder of ["proc", "tmp", "root", "etc", "bin", "var/tmp"])
    mkdirSync(join(root, folder), { recursive: true, mode: 0o700 });
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  for (const program of [BINARY, Bun.which("true")!])
    for (const library of librariesOf(program)) bring(library);
  copyFileSync(BINARY, join(root, "bin/session-buddy"));
  copyFileSync(realpathSync(Bun.which("true")!), join(root, "bin/true"));

  expect(inside("/bin/session-buddy", "shell", "--", "true")).toMatchObject({
    exitCode: 0,
  });
  const asked = inside("/bin/session-buddy", "list-sessions", "--json");
  expect(asked).toMatchObject({ exitCode: 1, stdout: "" });
  expect(asked.stderr).toMatch(
    /^session-buddy: this system lacks libstdc\+\+\.so\.6, .*apt-get install libstdc\+\+6.*\n$/,
  );

  const { stdout } = Bun.spawnSync(["/sbin/ldconfig", "-p"]);
  for (const [, path] of `${stdout}`.matchAll(
    /(?:libstdc\+\+|libgcc_s)\.so\.\d+ \(libc6,x86-64\) => (\S+)/g,
  ))
    bring(path!);
  const again = inside("/bin/session-buddy", "list-sessions", "--json");
  expect(again.stderr).toBe("");
  expect(JSON.parse(again.stdout)).toMatchObject([{ status: "ended" }]);
}, 400_000);
