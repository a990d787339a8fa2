/** PgBouncer for tests, as a user of its own that is no superuser of this machine. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./wait.ts";

/**
 * @param settings its file, without who may connect
 * @param port where it listens, as they say
 * @param users who may connect, without a password
 */
export async function pgbouncer(
  settings: string,
  port: number,
  users: readonly string[],
): Promise<AsyncDisposable> {
  const folder = mkdtempSync(join(tmpdir(), "sb-pgbouncer-"));
  chmodSync(folder, 0o777);
  const list = join(folder, "users.txt");
  writeFileSync(list, users.map((user) => `"${user}" ""\n`).join(""));
  writeFileSync(
    join(folder, "pgbouncer.ini"),
    `${settings}auth_type = trust\nauth_file = ${list}\nunix_socket_dir =\n`,
  );
  const as =
    process.getuid?.() === 0 ? ["runuser", "-u", "postgres", "--"] : [];
  const child = Bun.spawn([...as, "pgbouncer", `${folder}/pgbouncer.ini`], {
    ...{ cwd: "/", stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  });
  await until("PgBouncer to listen", async () => {
    try {
      (
        await Bun.connect({
          ...{ hostname: "127.0.0.1", port },
          socket: { data() {} },
        })
      ).end();
      return true;
    } catch {
      return false;
    }
  });
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
