/**
 * A user with a password, who may use sudo and log in by ssh at a loopback port, in a
 * mount namespace of his own: the host's files of users stay as they are.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Sandbox } from "./sandbox.ts";
import { until } from "./wait.ts";

const UID = 61_234;
const OVER = ["passwd", "shadow", "group", "sudoers"];

export class PasswordUser implements AsyncDisposable {
  readonly name = "sbuser";
  readonly uid = UID;
  private readonly holder: Bun.Subprocess;
  private sshd: Bun.Subprocess | null = null;

  /** @param side a folder beside what is looked through for the password */
  private constructor(
    private readonly side: string,
    readonly password: string,
  ) {
    const hash = new TextDecoder()
      .decode(
        Bun.spawnSync(["openssl", "passwd", "-6", "-stdin"], {
          stdin: Buffer.from(password),
        }).stdout,
      )
      .trim();
    const home = join(side, "home");
    mkdirSync(home, { recursive: true });
    const of = (name: string) => readFileSync(`/etc/${name}`, "utf8");
    const { name } = this;
    const files: Record<string, string> = {
      passwd: `${of("passwd")}${name}:x:${UID}:${UID}::${home}:/bin/sh\n`,
      shadow: `${of("shadow")}${name}:${hash}:20000:0:99999:7:::\n`,
      group: `${of("group")}${name}:x:${UID}:\n`,
      sudoers: `${name} ALL=(ALL) ALL\n`,
    };
    for (const each of OVER) {
      writeFileSync(join(side, each), files[each]!);
      chmodSync(join(side, each), each === "sudoers" ? 0o440 : 0o644);
    }
    const mounts = OVER.map((each) => `mount --bind "$0/${each}" /etc/${each}`);
    const script = `${mounts.join("; ")}; mkdir -p /run/sshd; touch "$0/ready"; exec sleep infinity`;
    const unshare = ["unshare", "-m", "--propagation", "private"];
    this.holder = Bun.spawn([...unshare, "sh", "-euc", script, side], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  }

  static async create(side: string, password: string): Promise<PasswordUser> {
    const user = new PasswordUser(side, password);
    await until("the user", () => existsSync(join(side, "ready")));
    return user;
  }

  /** What goes before the argv of who is to see the user. */
  get enter(): string[] {
    return ["nsenter", "-t", `${this.holder.pid}`, "-m", "--"];
  }

  /** @returns the port at which the user may log in */
  async listen(sandbox: Sandbox): Promise<number> {
    const key = join(this.side, "key");
    await sandbox.command([
      "ssh-keygen",
      "-q",
      "-t",
      "ed25519",
      "-N",
      "",
      "-f",
      key,
    ]);
    const probe = Bun.serve({ port: 0, fetch: () => new Response() });
    const { port } = probe;
    await probe.stop(true);
    const options = [
      ...[
        "ListenAddress=127.0.0.1",
        "PasswordAuthentication=yes",
        "UsePAM=yes",
      ],
      ...["PidFile=none", "StrictModes=no", "KbdInteractiveAuthentication=no"],
    ].flatMap((option) => ["-o", option]);
    const files = ["-f", "/dev/null", "-h", key, "-p", `${port}`];
    this.sshd = Bun.spawn(
      [...this.enter, "/usr/sbin/sshd", "-D", "-e", ...files, ...options],
      { stdio: ["ignore", "ignore", "ignore"] },
    );
    await until("sshd", async () => {
      try {
        const socket = await Bun.connect({
          ...{ hostname: "127.0.0.1", port: port! },
          socket: { data() {} },
        });
        socket.end();
        return true;
      } catch {
        // It does not listen yet.
        return false;
      }
    });
    return port!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of [this.sshd, this.holder]) {
      process?.kill("SIGKILL");
      await process?.exited;
    }
  }
}
