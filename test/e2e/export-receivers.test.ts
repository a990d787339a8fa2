/**
 * `export_to` real receivers: journald's protocol, syslog over a unix socket and over
 * TLS, and a collector of OpenTelemetry; each in a process of its own that is away,
 * stopped, killed, or refuses.
 */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { DatagramSocket } from "../../src/os/datagram.ts";
import {
  allArrived,
  commandsOf,
  doctorOf,
  figure,
  store,
  surviveKills,
} from "../support/exports.ts";
import { configure } from "../support/host.ts";
import { LogReceiver, type Mode } from "../support/receiver.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

const HERE = needs("python3", "openssl");
const MODES: readonly Mode[] = ["journald", "syslog", "tls", "tcp", "otlp"];
/** What they say themselves of what they have taken. */
const CONFIRMING: readonly Mode[] = ["tls", "tcp", "otlp"];

const failing = (sandbox: Sandbox) =>
  until("the doctor to find it", async () => {
    const { status, detail } = await doctorOf(sandbox, "siem");
    return status === "fail" && detail.includes("fails since") && detail;
  });

describe.if(HERE)("each event comes at least once, and in order", () => {
  test.each([...MODES])(
    "to %s, however often the server is killed",
    async (mode) => {
      using sandbox = new Sandbox();
      await using receiver = await LogReceiver.start(sandbox, mode);
      await surviveKills(sandbox, receiver, Date.now() >>> 0);
    },
    400_000,
  );

  test.each([...MODES])(
    "to %s, which is away, comes, and hangs: all that is reported is stored",
    async (mode) => {
      using sandbox = new Sandbox();
      await using receiver = await LogReceiver.start(sandbox, mode);
      await receiver.end();
      await using server = await TestServer.start(sandbox);
      await store(server, commandsOf(300));
      expect(await failing(sandbox)).toMatch(/^300 events wait/);
      expect(await figure(server, "export_lag_events", "siem")).toBe(300);
      await receiver.start();
      await allArrived(server, receiver);
      await until(
        "the doctor to find that",
        async () => (await doctorOf(sandbox, "siem")).status === "pass",
      );
      // It takes connections and datagrams, as far as there is room, and reads nothing.
      receiver.kill("SIGSTOP");
      await store(server, commandsOf(3_000));
      const lag = await figure(server, "export_lag_events", "siem");
      expect(lag).toBeGreaterThan(0);
      const { stdout } = await sandbox.run([
        "list-events",
        "--format",
        "ndjson",
      ]);
      expect(stdout.trimEnd().split("\n")).toHaveLength(3_300);
      receiver.kill("SIGCONT");
      await allArrived(server, receiver);
      await until(
        "no lag",
        async () => (await figure(server, "export_lag_events", "siem")) === 0,
      );
    },
    400_000,
  );

  test.each([...CONFIRMING])(
    "to %s, which is killed again and again",
    async (mode) => {
      using sandbox = new Sandbox();
      await using receiver = await LogReceiver.start(sandbox, mode);
      await using server = await TestServer.start(sandbox);
      const failures = () => figure(server, "export_failures_total", "siem");
      for (let n = 0; n < 4; n++) {
        const before = receiver.arrived().length;
        const failed = await failures();
        await store(server, commandsOf(2_000));
        await until("some to come", () => receiver.arrived().length > before);
        await receiver.end();
        // Of syslog nobody can tell that it was away until it is missed.
        await store(server, commandsOf(10));
        await until("it to be missed", async () => (await failures()) > failed);
        await receiver.start();
      }
      await allArrived(server, receiver);
    },
    400_000,
  );
});

describe.if(HERE)("syslog over TLS", () => {
  test("is sent to nobody whose certificate is not trusted", async () => {
    using sandbox = new Sandbox();
    await using receiver = await LogReceiver.start(sandbox, "tls");
    configure(sandbox, receiver.yaml.replace(/, ca: .*\}/, "}"));
    await using server = await TestServer.start(sandbox);
    await store(server, commandsOf(3));
    expect(await failing(sandbox)).toMatch(/self.signed|certificate/i);
    expect(receiver.arrived()).toEqual([]);
  });

  test("counts nothing as delivered that a connection was closed on", async () => {
    using sandbox = new Sandbox();
    const flags = ["--slam", "3"];
    await using receiver = await LogReceiver.start(sandbox, "tls", { flags });
    await using server = await TestServer.start(sandbox);
    await store(server, commandsOf(3));
    await allArrived(server, receiver);
    expect(
      await figure(server, "export_failures_total", "siem"),
    ).toBeGreaterThanOrEqual(3);
  });

  test("shows a certificate of ours to one who asks for it", async () => {
    using sandbox = new Sandbox();
    const folder = join(sandbox.home, "receiver");
    await using receiver = await LogReceiver.start(sandbox, "tls", {
      flags: [`${folder}/cert.pem`],
    });
    await using server = await TestServer.start(sandbox);
    await store(server, commandsOf(3));
    await failing(sandbox);
    expect(receiver.arrived()).toEqual([]);
    await server.stop();
    const ours = `, cert: ${folder}/cert.pem, key: ${folder}/key.pem}`;
    configure(sandbox, receiver.yaml.replace("}\n", `${ours}\n`));
    await using again = await TestServer.start(sandbox);
    await allArrived(again, receiver);
  });
});

describe.if(HERE)("a collector", () => {
  test("that answers 503 is asked again", async () => {
    using sandbox = new Sandbox();
    const flags = ["--answer", "503", "2"];
    await using receiver = await LogReceiver.start(sandbox, "otlp", { flags });
    await using server = await TestServer.start(sandbox);
    await store(server, commandsOf(3));
    await allArrived(server, receiver);
    expect(await figure(server, "export_failures_total", "siem")).toBe(2);
  });

  test("that refuses one event gets all others, in order, and it is said which", async () => {
    using sandbox = new Sandbox();
    const flags = ["--poison", "poison 7"];
    await using receiver = await LogReceiver.start(sandbox, "otlp", { flags });
    await using server = await TestServer.start(sandbox);
    const events = commandsOf(20, "poison");
    await store(server, events);
    const ids = events.map(({ event_id }) => event_id);
    const refused = ids[8]!;
    await until("the last one", () => receiver.arrived().includes(ids.at(-1)!));
    expect([...new Set(receiver.arrived())]).toEqual(
      ids.filter((id) => id !== refused),
    );
    expect(await figure(server, "export_refused_events_total", "siem")).toBe(1);
    const { stdout } = await sandbox.run(["mcp", "logs", "-n", "1000"]);
    expect(stdout).toMatch(
      new RegExp(`export_refused.*${refused}.*it answers 400`),
    );
  });
});

test.if(HERE)(
  "what is too long for a datagram comes to journald as a sealed file",
  async () => {
    using sandbox = new Sandbox();
    await using receiver = await LogReceiver.start(sandbox, "journald");
    const socket = DatagramSocket.connect(receiver.where);
    const event_id = crypto.randomUUID();
    const line = JSON.stringify({
      event: { event_id, text: "x".repeat(300_000) },
    });
    const fields = [
      ...["MESSAGE=m", "PRIORITY=6", "SYSLOG_IDENTIFIER=session-buddy"],
      ...[`SESSION_BUDDY_EVENT_ID=${event_id}`, "SESSION_BUDDY_SEQ=1"],
      `SESSION_BUDDY_JSON=${line}\n`,
    ];
    const bytes = new TextEncoder().encode(fields.join("\n"));
    expect(socket.sendAsFile(bytes)).toBe("sent");
    await until("it to come", () => receiver.arrived()[0] === event_id);
    // Nothing that would do for one is too long for the other.
    expect(socket.send(new Uint8Array(64 * 1024 * 1024))).toBe("long");
    socket.close();
  },
);

test.each([
  [
    "type: syslog, address: 'tcp://logs.example.org:601'",
    "siem.address takes unix:",
  ],
  ["type: syslog, address: 'tls://u:p@logs.example.org'", "takes unix:"],
  ["type: syslog, address: 'unix:dev/log'", "takes unix:"],
  ["type: syslog, address: 'unix:/dev/log', facility: x", "takes one of kern"],
  ["type: otlp, url: 'http://collector.example.org/'", "takes a URL such as"],
  ["type: otlp, url: 'https://u:p@collector.example.org/'", "takes a URL"],
  ["type: journald, socket: x", "takes an absolute path"],
  ["type: kafka", "takes file, journald, syslog, otlp"],
])("{%s} is refused in words", async (settings, sentence) => {
  using sandbox = new Sandbox();
  configure(sandbox, `export_to:\n  siem: {${settings}}\n`);
  const { exitCode, stderr } = await sandbox.run(["config", "--check"]);
  expect([exitCode, stderr]).toEqual([5, expect.stringMatching(sentence)]);
  expect(stderr).not.toContain("u:p@");
});
