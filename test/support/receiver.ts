/** A log receiver in a process of its own, which can be away, stopped or killed. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Receiver } from "./exports.ts";
import { configure } from "./host.ts";
import type { Sandbox } from "./sandbox.ts";
import { readUntil } from "./server.ts";

export type Mode = "journald" | "syslog" | "tls" | "tcp" | "otlp";

const PROGRAM = join(import.meta.dir, "python/receiver.py");
const PATIENT = /\n/;

export class LogReceiver implements Receiver, AsyncDisposable {
  private child: Bun.Subprocess<"ignore", "pipe", "pipe"> | null = null;
  private readonly folder: string;
  /** A port, or the path of a socket. */
  where: string;

  private constructor(
    sandbox: Sandbox,
    private readonly mode: Mode,
    private readonly flags: string[],
  ) {
    this.folder = join(sandbox.home, "receiver");
    mkdirSync(this.folder, { recursive: true });
    this.where = ["journald", "syslog"].includes(mode)
      ? join(this.folder, "socket")
      : "0";
  }

  /** It listens, and the sandbox's configuration leads to it. */
  static async start(
    sandbox: Sandbox,
    mode: Mode,
    { flags = [], settings = "" }: { flags?: string[]; settings?: string } = {},
  ): Promise<LogReceiver> {
    const tls = mode === "tls" ? certificate(sandbox) : [];
    const receiver = new LogReceiver(sandbox, mode, [...tls, ...flags]);
    await receiver.start();
    configure(sandbox, receiver.yaml + settings);
    return receiver;
  }

  /** Again, at the same place. */
  async start(flags = this.flags): Promise<void> {
    const argv = [PROGRAM, this.mode, this.where, this.out, ...flags];
    this.child = Bun.spawn(["python3", ...argv], {
      ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    });
    const said = await readUntil(this.child.stdout, PATIENT);
    if (!said) throw new Error(await new Response(this.child.stderr).text());
    this.where = said.trim();
  }

  get yaml(): string {
    const { where, folder } = this;
    const to = {
      journald: `type: journald, socket: ${where}`,
      syslog: `type: syslog, address: 'unix:${where}'`,
      tls: `type: syslog, address: 'tls://localhost:${where}', ca: ${folder}/cert.pem`,
      tcp: `type: syslog, address: 'tcp://127.0.0.1:${where}'`,
      otlp: `type: otlp, url: 'http://127.0.0.1:${where}/v1/logs'`,
    };
    return `export_to:\n  siem: {${to[this.mode]}}\n`;
  }

  private get out(): string {
    return join(this.folder, "came");
  }

  arrived(): string[] {
    if (!existsSync(this.out)) return [];
    const lines = readFileSync(this.out, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => line.split(" ")[0]!);
  }

  kill(signal: NodeJS.Signals): void {
    this.child!.kill(signal);
  }

  async end(): Promise<void> {
    this.kill("SIGKILL");
    await this.child!.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

/** A new one for localhost: its file and that of its key. */
function certificate(sandbox: Sandbox): string[] {
  const folder = join(sandbox.home, "receiver");
  mkdirSync(folder, { recursive: true });
  const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
  const made = Bun.spawnSync([
    ...["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days"],
    ...["1", "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
    ...["-addext", "subjectAltName=DNS:localhost"],
  ]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  return [cert, key];
}
