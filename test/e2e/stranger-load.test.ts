/**
 * Another user of the host opens eleven hundred connections, and says nothing on
 * them or begins what he does not end; or he asks and connects without end: the
 * owner's own work goes on meanwhile.
 */
import { expect, test } from "bun:test";
import { needsRoot } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer, readUntil, startArguments } from "../support/server.ts";
import { until } from "../support/wait.ts";

const CONNECTIONS = 1_100;
const SECRET = "a secret of more than thirty-two characters";

/** His connections; they last as long as he does. */
class Stranger implements AsyncDisposable {
  private constructor(
    private readonly child: Bun.Subprocess<"pipe", "pipe", "pipe">,
  ) {}

  /** @param said on each connection, for printf */
  static connect(port: number, said: string): Promise<Stranger> {
    const script = `ulimit -n 4096
      for ((n = 0; n < ${CONNECTIONS}; n++)); do
        exec {fd}<>/dev/tcp/127.0.0.1/${port} && printf '${said}' >&$fd
      done
      echo all; read`;
    const argv = ["setpriv", "--reuid=54321", "--clear-groups"];
    return Stranger.run([...argv, "bash", "-c", script]);
  }

  /**
   * @param load goes on for ever, in as many threads; it may count in `times`
   * @param threads of each of three processes
   */
  static python(
    port: number,
    load: string,
    threads: number,
  ): Promise<Stranger> {
    const script = `
import os, socket, threading, time
# What they take is the server's attention, not the cores of a busy machine.
os.nice(10)
os.setgroups([]); os.setuid(54321)
HEAD = b"GET /health HTTP/1.1\\r\\nHost: 127.0.0.1:${port}\\r\\n"
def connect():
    made = socket.socket()
    made.settimeout(5)
    made.connect(("127.0.0.1", ${port}))
    return made
def load():
    times = 0
    while True:
        try:
${load.replace(/^/gm, " ".repeat(12))}
        except OSError:
            pass
parent = os.getpid()
for _ in range(3):
    if os.fork() == 0:
        for _ in range(${threads}):
            threading.Thread(target=load, daemon=True).start()
        while os.getppid() == parent:
            time.sleep(0.1)
        os._exit(0)
load()`;
    return Stranger.run(["python3", "-c", script]);
  }

  /** @param argv says `all` once its load is there */
  private static async run(argv: string[]): Promise<Stranger> {
    const child = Bun.spawn(argv, {
      ...{ stdin: "pipe", stdout: "pipe", stderr: "pipe", cwd: "/" },
    });
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
  overTcp = true,
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
    if (!overTcp) continue;
    const { status } = await server.call("list_sessions", { limit: 1 });
    expect(status).toBe(200);
  }
  if (!overTcp) return;
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

/** Connects anew for each question; says so once it has got some answers. */
const CHURN = `
made = connect()
made.sendall(HEAD + b"Connection: close\\r\\n\\r\\n")
while made.recv(65536):
    pass
made.close()
times += 1
if times == 50 and threading.current_thread() is threading.main_thread():
    print("all", flush=True)`;

test("who connects anew without end keeps the server from nothing else", async () => {
  if (!needsRoot("setpriv", "python3")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  await using _stranger = await Stranger.python(server.port, CHURN, 60);
  await expectService(sandbox, server, false);
});

/** Asks without end on one connection, and never looks at an answer. */
const FLOOD = `
made = connect()
times += 1
if times == 1 and threading.current_thread() is threading.main_thread():
    print("all", flush=True)
for _ in range(100):
    made.sendall((HEAD + b"\\r\\n") * 1500)`;

test("who asks without waiting for answers takes neither memory nor service", async () => {
  if (!needsRoot("setpriv", "python3")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  await using _stranger = await Stranger.python(server.port, FLOOD, 10);
  await expectService(sandbox, server, false);
  expect(await residentBytes(server.child.pid)).toBeLessThan(1024 ** 3);
});

async function residentBytes(pid: number): Promise<number> {
  const status = await Bun.file(`/proc/${pid}/status`).text();
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)![1]) * 1024;
}

/** A thousand requests of the stranger's by curl; @returns what he was told. */
function thousandTimes(server: TestServer, path: string, ...args: string[]) {
  const asked = Bun.spawnSync([
    ...["setpriv", "--reuid=54321", "--clear-groups", "curl", "-s", ...args],
    `${server.origin}${path}?[1-1000]`,
  ]);
  return asked.stdout.toString();
}

/** The log's lines of an event, once they tell of a thousand. */
const toldOfThousand = (sandbox: Sandbox, event: string) =>
  until(`all ${event}`, async () => {
    const { stdout } = await sandbox.run(["mcp", "logs", "-n", "10000"]);
    const lines = stdout.split("\n").filter((line) => line.includes(event));
    const counts = lines.map((line) => /requests=(\d+)/.exec(line)?.[1] ?? 1);
    const sum = counts.reduce<number>((all, count) => all + Number(count), 0);
    return sum === 1000 && lines;
  });

/** Far fewer than were refused: some at once, and one a second however long it takes. */
const fewSince = (began_ms: number) =>
  100 + (performance.now() - began_ms) / 1_000;

test("his refusals are counted, and the log keeps what else it has to tell", async () => {
  if (!needsRoot("setpriv", "curl")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const began_ms = performance.now();
  const said = thousandTimes(server, "/metrics");
  expect(said.match(/another user/g)).toHaveLength(1000);
  const refused = await toldOfThousand(sandbox, "request_refused");
  expect(refused.length).toBeLessThan(fewSince(began_ms));
});

test("and so are his calls with a bad token", async () => {
  if (!needsRoot("setpriv", "curl")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox, {
    env: { SESSION_BUDDY_SECRET: SECRET },
  });
  const params = {
    name: "track_session_start",
    arguments: startArguments({ token: "x.y.z" }),
  };
  const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
  const header = "Content-Type: application/json";
  const body = JSON.stringify(call);
  const began_ms = performance.now();
  const said = thousandTimes(server, "/mcp", "-H", header, "-d", body);
  expect(said.match(/"status":"error"/g)).toHaveLength(1000);
  const refused = await toldOfThousand(sandbox, "tool_refused");
  expect(refused.length).toBeLessThan(fewSince(began_ms));
});

test("a server for every address knows which user of this host asks", async () => {
  if (!needsRoot("setpriv", "curl")) return;
  for (const host of ["0.0.0.0", "::"]) {
    using sandbox = new Sandbox();
    await using server = await TestServer.start(sandbox, {
      flags: ["--host", host],
      env: { SESSION_BUDDY_SECRET: SECRET },
    });
    const url = `http://127.0.0.1:${new URL(server.url).port}/metrics`;
    Bun.spawnSync([
      ...["setpriv", "--reuid=54321", "--clear-groups", "curl", "-s", url],
    ]);
    const { stdout } = await sandbox.run(["mcp", "logs"]);
    expect(stdout).toMatch(/request_refused.*54321/);
  }
});
