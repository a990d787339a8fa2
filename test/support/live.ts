/**
 * A wrapped program that is under way until the test says otherwise: it says
 * that it is ready, then reads its exit status from a named pipe: a plain one
 * would end with its wrapper.
 */
import {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { processStat } from "../../src/os/proc.ts";
import { BINARY, type RunOptions, type Sandbox } from "./sandbox.ts";
import { until } from "./wait.ts";

const PROGRAM =
  'echo "$SESSION_BUDDY_SESSION_ID"; read status < "$0"; exit $status';

let pipes = 0;

export class Live implements AsyncDisposable {
  private constructor(
    private readonly sandbox: Sandbox,
    readonly wrapper: Bun.Subprocess<"ignore", "pipe", "inherit">,
    /** Our end of the pipe; open for both directions, so that no word is lost. */
    private readonly pipe: number,
    readonly session_id: string,
    /** The wrapped program's pid. */
    readonly child: number,
  ) {}

  static async begin(
    sandbox: Sandbox,
    env: RunOptions["env"] = {},
  ): Promise<Live> {
    const path = join(sandbox.home, `pipe-${pipes++}`);
    Bun.spawnSync(["mkfifo", path]);
    const pipe = openSync(path, "r+");
    const argv = [BINARY, "shell", "--", "sh", "-c", PROGRAM, path];
    const wrapper = Bun.spawn(argv, {
      env: sandbox.envWith(env),
      cwd: sandbox.home,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    const session_id = await firstLine(wrapper.stdout);
    const event = await until("the process event", () =>
      sandbox
        .spooled()
        .find(
          (e) =>
            e["event_type"] === "process" && e["session_id"] === session_id,
        ),
    );
    const child = event["pid"] as number;
    return new Live(sandbox, wrapper, pipe, session_id, child);
  }

  get file(): string {
    return join(this.sandbox.spool, `${this.session_id}.ndjson`);
  }

  get lines(): string[] {
    return readFileSync(this.file, "utf8").split("\n").slice(0, -1);
  }

  /** Puts another file in its place, whole: one that is written over may be read meanwhile. */
  replace(text: string): void {
    writeFileSync(`${this.file}.new`, text, { mode: 0o600 });
    renameSync(`${this.file}.new`, this.file);
  }

  /** Waits until the wrapper has said all that it says before the end. */
  async quiet(): Promise<void> {
    await until("the annotation", () =>
      this.lines.some((line) => line.includes('"command_tree_size"')),
    );
  }

  /** Lets the program end, and waits until its wrapper has. */
  async end(status = 0): Promise<void> {
    writeSync(this.pipe, `${status}\n`);
    await this.wrapper.exited;
  }

  /** Waits for its lock, too: a process that it was starting has it until it is executed. */
  async killWrapper(): Promise<void> {
    this.wrapper.kill("SIGKILL");
    await this.wrapper.exited;
    await until("its lock to be free", () => {
      const { ino } = statSync(this.file, { throwIfNoEntry: false }) ?? {};
      const locks = readFileSync("/proc/locks", "utf8");
      return ino === undefined || !locks.includes(`:${ino} `);
    });
  }

  /** Of a program whose wrapper is gone: ends it, and waits for that. */
  async endChild(): Promise<void> {
    writeSync(this.pipe, "0\n");
    await until("the child's end", () => {
      const stat = processStat(this.child);
      return !stat || "ZX".includes(stat.state);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.wrapper.kill("SIGKILL");
    await this.wrapper.exited;
    await this.endChild();
    closeSync(this.pipe);
  }
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const at = text.indexOf("\n");
      if (at !== -1) return text.slice(0, at);
      const { done, value } = await reader.read();
      if (done) throw new Error(`it ended, having said: ${text}`);
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    reader.releaseLock();
  }
}
