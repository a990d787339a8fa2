/**
 * Whose program is at the other end: real connections, asked of the kernel and,
 * where there is no FFI, searched in /proc.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { type Peer, tcpPeer } from "../../src/os/peer.ts";
import { needsRoot } from "../support/host.ts";
import { stopped, until } from "../support/wait.ts";

const SELF = process.geteuid!();
const STRANGER = 54321;
const AS_STRANGER = [
  ...["setpriv", `--reuid=${STRANGER}`, `--regid=${STRANGER}`],
  ...["--clear-groups", "bash", "-c"],
];

type Line = Partial<Peer> & { path?: string; port?: number };

class PeerServer {
  readonly lines: Line[] = [];
  private readonly child;

  constructor(
    readonly address: string,
    env: Record<string, string>,
  ) {
    const script = join(import.meta.dir, "../support/peer-server.ts");
    this.child = Bun.spawn([process.execPath, script, address], {
      env: { ...process.env, ...env },
      stdout: "pipe",
      stderr: "inherit",
    });
    void this.read();
  }

  private async read(): Promise<void> {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of this.child.stdout) {
      text += decoder.decode(chunk);
      const lines = text.split("\n");
      text = lines.pop()!;
      this.lines.push(...lines.map((line) => JSON.parse(line) as Line));
    }
  }

  async port(): Promise<number> {
    return until("the server's port", () => this.lines[0]?.port);
  }

  /** What the server makes of our request. */
  async ask(query: string, host = this.address): Promise<Line> {
    const name = host.includes(":") ? `[${host}]` : host;
    const response = await fetch(
      `http://${name}:${await this.port()}/${query}`,
    );
    return (await response.json()) as Line;
  }

  /** What it made of the request to a path. */
  line(path: string): Promise<Line> {
    return until(`the request to ${path}`, () =>
      this.lines.find((line) => line.path === path),
    );
  }

  /** Lets no request be read until it is continued. */
  async stop(): Promise<void> {
    this.child.kill("SIGSTOP");
    await stopped(this.child.pid);
  }

  continue(): void {
    this.child.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
  }
}

/** Whether this host has IPv6 at all. */
function hasIPv6(): boolean {
  const all = Object.values(networkInterfaces()).flatMap((own) => own ?? []);
  if (all.some(({ address }) => address === "::1")) return true;
  if (process.env["SESSION_BUDDY_REQUIRE_TOOLS"] === "1")
    throw new Error("no ::1");
  console.error("not tested, no IPv6");
  return false;
}

async function connect(options: net.TcpNetConnectOpts): Promise<net.Socket> {
  const socket = net.connect(options);
  await once(socket, "connect");
  return socket;
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

/** A request by a shell of another user, and what it got. */
async function askAsStranger(port: number): Promise<string> {
  const script = `exec 3<>/dev/tcp/127.0.0.1/${port}
    printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3`;
  const child = Bun.spawn([...AS_STRANGER, script], { stdout: "pipe" });
  return new Response(child.stdout).text();
}

const WAYS: Record<string, Record<string, string>> = {
  "asked of the kernel": {},
  "searched in /proc, without FFI": { BUN_JSC_useJIT: "0" },
};

for (const [how, env] of Object.entries(WAYS))
  describe(how, () => {
    let server: PeerServer;
    beforeAll(() => void (server = new PeerServer("127.0.0.1", env)));
    afterAll(() => server[Symbol.asyncDispose]());

    test("a client of our own", async () => {
      expect(await server.ask("")).toEqual({
        via: "tcp",
        uid: SELF,
        address: "127.0.0.1",
        loopback: true,
      });
    });

    test("a client of another user, beside ours on a connection that stays", async () => {
      if (!needsRoot("setpriv", "bash")) return;
      const port = await server.port();
      for (let turn = 0; turn < 3; turn++) {
        expect(await askAsStranger(port)).toContain(`"uid":${STRANGER}`);
        expect((await server.ask("")).uid).toBe(SELF);
      }
    });

    test("an IPv4 address dressed as IPv6, from a socket that is one", async () => {
      const port = await server.port();
      const socket = await connect({ host: "::ffff:127.0.0.1", port });
      socket.write(get("/dressed"));
      expect((await server.line("/dressed")).uid).toBe(SELF);
      expect(
        await server.ask(
          `?from=::ffff:127.0.0.1&from_port=${socket.localPort}&to=::ffff:7f00:1`,
        ),
      ).toEqual({ uid: SELF });
      socket.destroy();
    });

    test("a client that has sent all it had, and waits for the answer", async () => {
      const port = await server.port();
      const socket = await connect({
        host: "127.0.0.1",
        port,
        allowHalfOpen: true,
      });
      await server.stop();
      socket.end(get("/half-closed"));
      await once(socket, "finish");
      server.continue();
      expect((await server.line("/half-closed")).uid).toBe(SELF);
      socket.destroy();
    });

    test("what nobody holds any more is nobody's", async () => {
      const { client, port, end } = await connection();
      const from_port = client.localPort!;
      const look = () =>
        server.ask(`?from=127.0.0.1&from_port=${from_port}&to_port=${port}`);
      expect(await look()).toEqual({ uid: SELF });
      // More than the other side takes: it cannot leave in peace.
      client.write(Buffer.alloc(32 * 1024 * 1024));
      client.destroy();
      const row = await until("the socket without an owner", () => {
        const found = tableRow(from_port, port);
        return found?.inode === 0 && found;
      });
      expect(row.uid).toBe(0);
      expect(await look()).toEqual({ uid: null });
      end();
    });

    test("what lingers after its end is nobody's", async () => {
      const { client, port, end } = await connection();
      const from_port = client.localPort!;
      client.destroy();
      const row = await until("a lingering end", () => {
        const found = tableRow(from_port, port);
        return found?.inode === 0 && found;
      });
      expect(row.uid).toBe(0);
      const query = `?from=127.0.0.1&from_port=${from_port}&to_port=${port}`;
      expect(await server.ask(query)).toEqual({ uid: null });
      end();
    });

    test("a socket that listens is no end of a connection", async () => {
      const port = await server.port();
      for (const to_port of [0, 1, port]) {
        const query = `?from=127.0.0.1&from_port=${port}&to_port=${to_port}`;
        expect(await server.ask(query)).toEqual({ uid: null });
      }
    });

    test("where the server's own end is not known exactly, nobody is named", async () => {
      for (const to of ["0.0.0.0", "::", "localhost", "127.0.0.2", ""])
        expect(await server.ask(`?to=${to}`)).toMatchObject({
          uid: null,
          address: "127.0.0.1",
        });
    });
  });

test("a connection that is reset while we ask brings no name along", async () => {
  const { client, port, end } = await connection();
  const local = { address: "127.0.0.1", port };
  const peer = { address: "127.0.0.1", port: client.localPort! };
  expect(tcpPeer(() => peer, local).uid).toBe(SELF);
  const answers = [peer, null];
  expect(tcpPeer(() => answers.shift()!, local)).toEqual({
    ...{ via: "tcp", uid: null, address: null, loopback: false },
  });
  client.destroy();
  end();
});

describe("over IPv6", () => {
  for (const [how, env] of Object.entries(WAYS)) {
    test(how, async () => {
      if (!hasIPv6()) return;
      await using server = new PeerServer("::1", env);
      expect(await server.ask("")).toEqual({
        ...{ via: "tcp", uid: SELF, address: "::1", loopback: true },
      });
    });

    // Here, for a port of 127.0.0.1 may still be in use for a minute after others' tests.
    test(`${how}, a port that changes hands before its request is read brings no name along`, async () => {
      if (!hasIPv6() || !needsRoot("setpriv", "bash")) return;
      await using server = new PeerServer("::1", env);
      const port = await server.port();
      // Closing with an unread answer resets the connection, which frees the port
      // at once. Through cat, for bash writes line by line.
      const script = `exec 3<>/dev/tcp/::1/${port}
        printf 'GET /warm HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' >&3; read
        printf 'GET /reset HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' | cat >&3
        exec 3>&-; echo done`;
      const child = Bun.spawn([...AS_STRANGER, script], {
        ...{ stdin: "pipe", stdout: "pipe" },
      });
      expect((await server.line("/warm")).uid).toBe(STRANGER);
      const { from_port } = await until("the answer to wait there", () => {
        const row = tableRows("tcp6").find(
          (r) => r.to_port === port && r.uid === STRANGER,
        );
        return row && row.unread > 0 && row;
      });
      await server.stop();
      child.stdin.write("\n");
      await child.stdin.flush();
      expect(await new Response(child.stdout).text()).toBe("done\n");
      const heir = await connect({
        host: "::1",
        port,
        localAddress: "::1",
        localPort: from_port,
      });
      server.continue();
      expect((await server.line("/reset")).uid).toBeNull();
      heir.destroy();
    });
  }
});

/** A connection of ours with a server of ours that reads nothing. */
async function connection() {
  const server = net.createServer({
    pauseOnConnect: true,
    allowHalfOpen: true,
  });
  const accepted = once(server, "connection") as Promise<[net.Socket]>;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const client = await connect({ host: "127.0.0.1", port });
  const [socket] = await accepted;
  const end = () => {
    socket.destroy();
    server.close();
  };
  return { client, port, end };
}

/** The host's connections, as people see them. */
function tableRows(table: "tcp" | "tcp6" = "tcp") {
  const [, ...lines] = readFileSync(`/proc/net/${table}`, "latin1")
    .trim()
    .split("\n");
  return lines.map((line) => {
    const [, from, to, , queues, , , uid, , inode] = line.trim().split(/ +/);
    const port = (end: string) => parseInt(end.split(":")[1]!, 16);
    return {
      from_port: port(from!),
      to_port: port(to!),
      unread: parseInt(queues!.split(":")[1]!, 16),
      uid: Number(uid),
      inode: Number(inode),
    };
  });
}

const tableRow = (from_port: number, to_port: number) =>
  tableRows().find((r) => r.from_port === from_port && r.to_port === to_port);
