/**
 * Another user of the host opens eleven hundred connections, and says nothing on
 * them or begins what he does not end: the owner's own work goes on meanwhile.
 */
import { expect, test } from "bun:test";
import { needsRoot } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer, readUntil } from "../support/server.ts";

const CONNECTIONS = 1_100;

/** His connections; they last as long as he does. */
class Stranger implements AsyncDisposable {
  private constructor(
    private readonly child: Bun.Subprocess<"pipe", "pipe", "pipe">,
  ) {}

  /** @param said on each connection, for printf */
  static async connect(port: number, said: string): Promise<Stranger> {
    const script = `ulimit -n 4096
      for ((n = 0; n < ${CONNECTIONS}; n++)); do
        exec {fd}<>/dev/tcp/127.0.0.1/${port} && printf '${said}' >&$fd
      done
      echo all; read`;
    const child = Bun.spawn(
      [
        ...["setpriv", "--reuid=54321", "--clear-groups"],
        ...["bash", "-c", script],
      ],
      { stdin: "pipe", stdout: "pipe", stderr: "pipe", cwd: "/" },
    );
    const stranger = new Stranger(child);
    expect(await readUntil(child.stdout, /all\n/)).toBe("all\n");
    return stranger;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
  }
}

/** What the owner does: a shell is recorded and found, by the socket, by TCP; health is well. */
async function expectService(
  sandbox: Sandbox,
  server: TestServer,
): Promise<void> {
  for (let round = 1; round <= 3; round++) {
    expect(await sandbox.run(["shell", "--", "true"])).toMatchObject({
      ...{ exitCode: 0, stderr: "" },
    });
    const listed = await sandbox.run(["list-sessions", "--json"]);
    expect(listed).toMatchObject({ exitCode: 0, stderr: "" });
    const sessions = JSON.parse(listed.stdout) as { status: string }[];
    expect(sessions.map(({ status }) => status)).toEqual(
      Array<string>(round).fill("ended"),
    );
    const { status } = await server.call("list_sessions", { limit: 1 });
    expect(status).toBe(200);
  }
  const health = await fetch(`${server.origin}/health`);
  expect([health.status, await health.json()]).toMatchObject([
    200,
    { status: "ok" },
  ]);
}

test("bodies that never end take no place from the owner", async () => {
  if (!needsRoot("setpriv", "bash")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const head = `POST /mcp HTTP/1.1\\r\\nHost: 127.0.0.1:${server.port}\\r\\nContent-Type: application/json\\r\\nContent-Length: 100\\r\\n\\r\\n{`;
  await using _stranger = await Stranger.connect(server.port, head);
  await expectService(sandbox, server);
});

test("connections that say nothing take no descriptor from the spool and the database", async () => {
  if (!needsRoot("setpriv", "bash")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox, {
    under: ["bash", "-c", 'ulimit -n 512; exec "$0" "$@"'],
  });
  await using _stranger = await Stranger.connect(server.port, "");
  await expectService(sandbox, server);
  const logs = await sandbox.run(["mcp", "logs", "-n", "10000"]);
  expect(logs.stdout).not.toContain("EMFILE");
});
