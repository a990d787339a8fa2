/**
 * Two servers on two hosts over one database: an alert is told once and an event forwarded
 * once, by one of them, and by the other once that one is gone.
 */
import { expect, test } from "bun:test";
import { hostname } from "node:os";
import type { KeptAlert } from "../../src/model/alert.ts";
import { DATABASE, Node, needsPostgres } from "../crash/postgres/node.ts";
import { Receiver } from "../support/alerts.ts";
import { Files, commandsOf, store, storedIds } from "../support/exports.ts";
import { configure } from "../support/host.ts";
import { type TestDatabase, emptyDatabase } from "../support/postgres.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { until } from "../support/wait.ts";

/** One that was killed keeps its duties for 5 s, on a busy machine. */
const TAKEN_OVER_MS = 100_000;
const TEST_MS = 400_000;

class Twins implements AsyncDisposable {
  private started = 0;
  readonly sessions: string[] = [];

  private constructor(
    private readonly database: TestDatabase,
    readonly hosts: readonly Sandbox[],
    readonly servers: readonly TestServer[],
  ) {}

  static async start(yaml: string, given?: TestDatabase): Promise<Twins> {
    const database = given ?? (await emptyDatabase());
    const hosts = [0, 1].map(() => {
      const host = new Sandbox();
      host.env["SESSION_BUDDY_STORE_URL"] = database.url;
      configure(host, yaml);
      return host;
    });
    const servers = await Promise.all(
      hosts.map((host) => TestServer.start(host)),
    );
    return new Twins(database, hosts, servers);
  }

  /** Starts sessions at some servers, by turns. */
  async begin(
    count: number,
    servers: readonly TestServer[] = this.servers,
  ): Promise<void> {
    for (let n = 0; n < count; n++) {
      const { result } = await servers[n % servers.length]!.call(
        "track_session_start",
        startArguments({
          pid: 4_100_000 + this.started++,
          timestamp: new Date().toISOString(),
        }),
      );
      this.sessions.push(result["session_id"] as string);
    }
  }

  /**
   * The server that has a duty now, and the other one, once both know: on a busy machine
   * it may have been the other's before.
   */
  apart(duty: string): Promise<[TestServer, TestServer]> {
    const [one, other] = this.servers as [TestServer, TestServer];
    return until("one to have the duty", async () => {
      const [first, second] = await Promise.all(
        [one, other].map((server) => has(server, duty)),
      );
      if (first === second) return null;
      return first ? [one, other] : [other, one];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers) await server[Symbol.asyncDispose]();
    for (const host of this.hosts) host[Symbol.dispose]();
    await this.database[Symbol.asyncDispose]();
  }
}

/** What a server said last of a duty. */
async function has({ sandbox }: TestServer, duty: string): Promise<boolean> {
  const words = ["mcp", "logs", "--json", "-n", "10000"];
  const { stdout } = await sandbox.run(words);
  const said = stdout
    .split("\n")
    .filter((line) => line.includes(`"duty":"${duty}"`))
    .findLast((line) => /"duty_(taken|lost)"/.test(line));
  return said?.includes('"duty_taken"') ?? false;
}

const listed = async (host: Sandbox, ...flags: string[]) => {
  const ran = await host.run(["alerts", "list", "--json", ...flags]);
  expect([ran.exitCode, ran.stderr]).toEqual([0, ""]);
  return JSON.parse(ran.stdout) as KeptAlert[];
};

/** What the doctor says of one thing. */
async function saidOf(host: Sandbox, name: string): Promise<string> {
  const { stdout } = await host.run(["doctor", "--json"]);
  const { tests } = JSON.parse(stdout).phases["session_buddy_server"];
  return tests.find((test: { name: string }) => test.name === name).detail;
}

const idsOf = ({ taken }: Receiver) =>
  taken.map(({ alert }) => alert.session!.session_id);

const RULES = ({ url }: Receiver, more = "") => `alerts:
  channels: {ops: {webhook: '${url}', timeout: 5m}}
  rules: {any: {when: session_start, tell: ops, at_most: 1000}${more}}
`;

/** Until each is told, and kept as told. */
async function allTold(
  twins: Twins,
  receiver: Receiver,
  host = twins.hosts[0]!,
): Promise<void> {
  await until(
    "each to be told",
    async () => {
      const kept = await listed(host, "--all");
      const told = kept.filter((alert) => alert.told["ops"]!.state === "told");
      return told.length === twins.sessions.length;
    },
    TAKEN_OVER_MS,
  );
  expect(new Set(idsOf(receiver))).toEqual(new Set(twins.sessions));
}

test(
  "each alert is told once, is the same at both, and none is missed when its server is killed",
  async () => {
    if (!needsPostgres()) return;
    using receiver = new Receiver();
    await using twins = await Twins.start(RULES(receiver));
    const [one, other] = twins.hosts as [Sandbox, Sandbox];
    await twins.begin(20);
    await allTold(twins, receiver);
    expect(receiver.taken).toHaveLength(20);
    expect(await listed(other)).toEqual(await listed(one));
    const [, ...rest] = await listed(one);
    const { result } = await twins.servers[1]!.call("list_alerts");
    expect((result["alerts"] as KeptAlert[]).slice(1)).toEqual(rest);
    await other.run(["alerts", "ack", rest[0]!.id]);
    expect(await listed(one)).toHaveLength(19);

    const [holder, heir] = await twins.apart("alerts");
    const doctor = () => saidOf(heir.sandbox, "alerts");
    expect(await doctor()).toBe("a server looks at any");
    configure(heir.sandbox, RULES(receiver, ", one: {when: session_end}"));
    expect(await doctor()).toBe(
      `the server of ${hostname()} has other rules or channels than these, and looks for all`,
    );
    await twins.begin(10);
    await holder.stop("SIGKILL");
    await twins.begin(10, [heir]);
    await allTold(twins, receiver, heir.sandbox);
    // What it had told and not noted is told again, and nothing else.
    const again = receiver.taken.length - new Set(idsOf(receiver)).size;
    expect(again).toBeLessThanOrEqual(10);
    const log = await heir.sandbox.run(["mcp", "logs"]);
    expect(log.stdout).toContain("duty_taken duty=alerts");
    expect(log.stdout).not.toContain("alerts_begin_anew");
  },
  TEST_MS,
);

test(
  "a server that stood still tells nothing that another has told meanwhile",
  async () => {
    if (!needsPostgres()) return;
    using receiver = new Receiver();
    await using twins = await Twins.start(RULES(receiver));
    await twins.begin(4);
    await allTold(twins, receiver);
    const [holder, heir] = await twins.apart("alerts");
    holder.child.kill("SIGSTOP");
    await twins.begin(4, [heir]);
    await allTold(twins, receiver, heir.sandbox);
    holder.child.kill("SIGCONT");
    await twins.begin(8);
    await allTold(twins, receiver);
    await until("it to know", async () => {
      const log = await holder.sandbox.run(["mcp", "logs"]);
      return log.stdout.includes("duty_lost duty=alerts");
    });
    expect(receiver.taken).toHaveLength(16);
  },
  TEST_MS,
);

test(
  "each event is forwarded once, in order, and none is missed when its server is killed",
  async () => {
    if (!needsPostgres()) return;
    using home = new Sandbox();
    const files = new Files(home);
    await using twins = await Twins.start(files.yaml);
    const [one, two] = twins.servers as [TestServer, TestServer];
    const arrived = async (server: TestServer) => {
      const wanted = await storedIds(server);
      await until(
        "the last event to come",
        () => files.arrived().includes(wanted.at(-1)!),
        TAKEN_OVER_MS,
      );
      return wanted;
    };
    await Promise.all([
      store(one, commandsOf(400)),
      store(two, commandsOf(400)),
    ]);
    // As it was stored by both, and by neither twice.
    const all = await arrived(one);
    expect(files.arrived()).toEqual(all);

    const [holder, heir] = await twins.apart("export archive");
    await store(holder, commandsOf(900));
    await holder.stop("SIGKILL");
    await store(heir, commandsOf(300));
    const wanted = await arrived(heir);
    expect([...new Set(files.arrived())]).toEqual(wanted);
  },
  TEST_MS,
);

test(
  "a database that is away is told of by each server, and what came of it goes on once it is back",
  async () => {
    if (!needsPostgres()) return;
    using receiver = new Receiver();
    await using node = await Node.copy(false);
    node.configure("max_connections = 100");
    await node.start();
    const url = `postgres://postgres@127.0.0.1:${node.port}/${DATABASE}`;
    await using twins = await Twins.start(
      RULES(receiver, ", ill: {when: server_degraded, tell: ops}"),
      { url, [Symbol.asyncDispose]: async () => {} },
    );
    await twins.begin(4);
    await allTold(twins, receiver);
    expect(receiver.taken).toHaveLength(4);
    await node.stop("immediate");
    const told = () =>
      receiver.taken.filter(({ alert }) => alert.rule === "ill");
    await until("both to say so", () => told().length === 2, TAKEN_OVER_MS);
    for (const { alert } of told())
      expect(alert).toMatchObject({
        text: expect.stringContaining(
          `${hostname()}: the server is degraded: database`,
        ),
        details: {
          host: hostname(),
          failed: expect.arrayContaining(["database"]),
        },
      });
    await node.start();
    await until(
      "both to be well",
      async () => {
        const all = await Promise.all(
          twins.servers.map((server) => server.call("health_check")),
        );
        return all.every(({ result }) => result["status"] === "healthy");
      },
      TAKEN_OVER_MS,
    );
    await twins.begin(4);
    await until(
      "the others to be told",
      () => receiver.taken.length >= 10,
      TAKEN_OVER_MS,
    );
    expect(receiver.taken).toHaveLength(10);
    for (const host of twins.hosts) {
      const kept = await listed(host, "--all");
      const rules = kept.map(({ rule }) => rule).sort();
      expect(rules).toEqual([...Array(8).fill("any"), "ill"]);
    }
  },
  TEST_MS,
);
