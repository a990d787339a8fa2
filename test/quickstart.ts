/**
 * A newcomer's first minute: wraps a shell, with a data folder of its own, and
 * lists and shows the session that this made. At a terminal the shell is a real
 * one, left with `exit`; otherwise a short command takes its place.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { isatty } from "node:tty";
import { join } from "node:path";

const binary = join(import.meta.dir, "../dist/session-buddy");
const folder = mkdtempSync(join(tmpdir(), "session-buddy-quickstart-"));
const env: Record<string, string | undefined> = {
  ...process.env,
  SESSION_BUDDY_DATA_DIR: folder,
  SESSION_BUDDY_SESSION_ID: undefined,
};

console.log(`\nRecording into the scratch folder ${folder}\n`);
const interactive = isatty(0) && isatty(1) && isatty(2);
if (interactive) {
  console.log(
    "This is a wrapped shell: look around, then leave it with `exit`.",
  );
  step("shell");
} else
  step("shell", "--", "sh", "-c", "echo hello from a wrapped shell; exit 3");
const listed = step("list-sessions");
const shown = step("show-session");
console.log(
  `\nTo look again: SESSION_BUDDY_DATA_DIR=${folder} ${binary} list-sessions`,
);
process.exit(listed === 0 && shown === 0 ? 0 : 1);

function step(...args: string[]): number {
  console.log(`\n$ session-buddy ${args.join(" ")}`);
  const stdio = ["inherit", "inherit", "inherit"] as const;
  return Bun.spawnSync([binary, ...args], { env, stdio: [...stdio] }).exitCode;
}
