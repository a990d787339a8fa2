/**
 * A container beside the host: a shell in a pid namespace of its own, with its
 * own /proc, that shares the sandbox's home. It ends with the test, and all that
 * runs in it.
 */
import type { Sandbox } from "./sandbox.ts";

const END = "--end-of-command--";

export class Container implements AsyncDisposable {
  private readonly child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  private readonly reader;
  private said = "";

  /** @param script what is run first, such as mounts of its own */
  constructor(sandbox: Sandbox, script = "true") {
    const flags = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    const shell = `${script}\nexec bash --norc --noprofile`;
    this.child = Bun.spawn(
      ["unshare", ...flags, "bash", "--norc", "-ec", shell],
      {
        env: sandbox.env,
        cwd: sandbox.home,
        stdin: "pipe",
        stdout: "pipe",
        stderr: "inherit",
      },
    );
    this.reader = this.child.stdout.getReader();
  }

  /** Runs a line of shell in it. @returns what it says, without the last newline */
  async run(line: string): Promise<string> {
    this.child.stdin.write(`${line}\necho ${END}\n`);
    await this.child.stdin.flush();
    const decoder = new TextDecoder();
    for (;;) {
      const at = this.said.indexOf(`${END}\n`);
      if (at !== -1) {
        const answer = this.said.slice(0, at);
        this.said = this.said.slice(at + END.length + 1);
        return answer.trimEnd();
      }
      const { done, value } = await this.reader.read();
      if (done)
        throw new Error(`the container ended, having said: ${this.said}`);
      this.said += decoder.decode(value, { stream: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
  }
}
