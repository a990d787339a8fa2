/**
 * A person who types commands into a hooked shell on a terminal of its own, while
 * its wrapper and the shell itself are killed and frozen, and its terminal is
 * taken away. What was typed is known; so is what of it is secret.
 */
import { readFileSync, readdirSync } from "node:fs";
import { Random } from "../support/random.ts";
import { Pty } from "../support/pty.ts";
import { childrenOf, processState } from "../support/wait.ts";
import { type Shell, type TypedCommand, plan } from "./typing.ts";
import type { World } from "./world.ts";

/** At the end, or before what the outer one says of its wrapper. */
const PROMPT = /(<\d+>)\$ (?:Killed\s+)?(?:wrapper ended \d+\s+)?$/;
/** What the first command says of its shell. */
const SAID = /^=([^/\s]*)\/(\d+)\//m;
/** Says that the wrapper has gone, and keeps the terminal for the shell. */
const OUTER = '"$@"; echo "wrapper ended $?"; exec sleep infinity';
const OVER = /wrapper ended (\d+)/;

export type Incident =
  | "none"
  | "kill wrapper"
  | "kill shell"
  | "kill both"
  | "freeze wrapper"
  | "freeze shell"
  | "hang up";

export class Typist {
  session_id: string | null = null;
  program = 0;
  done = false;
  /** The status that its wrapper is to end with; null where something befell it. */
  status: number | null = null;
  readonly typed: TypedCommand[] = [];
  readonly wrapper: { pid: number; killed: boolean; readonly over: boolean };
  private readonly pty: Pty;
  private read = 0;
  private shown = "";
  private hungUp = false;
  /** Its shell was killed. */
  private hurt = false;

  /**
   * @param outer another process holds the terminal: the shell may outlive its
   * wrapper, which would take the terminal along
   */
  constructor(
    private readonly world: World,
    private readonly shell: Shell,
    private readonly outer: boolean,
    private readonly mark: string,
    private readonly random: Random,
  ) {
    const args = ["shell", "--quiet", "--", shell];
    const { argv, env } = world.prepare("wrapper", args);
    const words = outer ? ["sh", "-c", OUTER, "sh", ...argv] : argv;
    Object.assign(env, { SB_TYPIST: mark, ENV: "" });
    if (shell === "fish") env["TERM"] = "dumb";
    const pty = new Pty(world.sandbox, words, { env, cwd: "/" });
    this.pty = pty;
    this.wrapper = {
      pid: outer ? 0 : pty.pid,
      killed: false,
      get over() {
        return this.pid !== 0 && processState(this.pid) === null;
      },
    };
    world.typists.add(this);
    world.count(`typed into ${shell}`);
  }

  private get gone(): boolean {
    const { exitCode, signalCode } = this.pty.child;
    return exitCode !== null || signalCode !== null;
  }

  /** The processes that have our mark, shells and what they run. */
  private alive(): number[] {
    return marked(this.mark).filter((pid) => pid !== this.pty.pid);
  }

  /** Waits for the next prompt; false when none will come. */
  private async prompt(): Promise<boolean> {
    let looks = 0;
    return (
      (await this.until("a prompt", () => {
        const text = this.pty.text();
        const prompt = PROMPT.exec(text.slice(this.read))?.[1];
        // fish draws its own again before it shows what was typed.
        const again = this.shell === "fish" && prompt === this.shown;
        if (prompt && !again) {
          this.read = text.length;
          this.shown = prompt;
          return "there";
        }
        const over = this.gone || this.hungUp || OVER.test(text);
        // Without its wrapper the shell may go on, and may be slow.
        return over && ++looks % 4 === 0 && this.alive().length === 0
          ? "never"
          : null;
      })) === "there"
    );
  }

  /** As the terminal waits; when it is in vain, who lives is told. */
  private async until<T>(what: string, look: () => T | null): Promise<T> {
    try {
      return await this.pty.until(what, look);
    } catch (error) {
      throw new Error(`typist ${this.mark}: ${error}\nlive: ${this.left()}`);
    }
  }

  /** Its processes that live, for whoever waits for their end. */
  private left(): string {
    const tell = (pid: number) =>
      `${pid} ${processState(pid)} in ${said(pid, "wchan")}: ${said(pid, "cmdline").replaceAll("\0", " ")}`;
    return this.alive().map(tell).join("; ") || "none";
  }

  private findWrapper(): number {
    if (!this.outer) return this.pty.pid;
    try {
      this.wrapper.pid ||= childrenOf(this.pty.pid)[0] ?? 0;
    } catch {
      // The outer one is gone.
    }
    return this.wrapper.pid;
  }

  /** Waits for the shell, and learns its session and pid. */
  async up(): Promise<boolean> {
    if (!(await this.prompt())) return false;
    this.findWrapper();
    const pid = this.shell === "fish" ? "$fish_pid" : "$$";
    const says = `echo "=$SESSION_BUDDY_SESSION_ID/${pid}/"`;
    if (
      !(await this.run({ text: says, status: 0, secret: false, done: false }))
    )
      return false;
    const text = this.pty.text().replaceAll("\r", "");
    const said = SAID.exec(text);
    if (!said) throw new Error(`typist ${this.mark} was not told: ${text}`);
    const [, session_id, program] = said;
    this.session_id = session_id || null;
    this.program = Number(program);
    return true;
  }

  private async run(command: TypedCommand): Promise<boolean> {
    this.typed.push(command);
    if (!this.line(command.text)) return false;
    const there = await this.prompt();
    // A holder of the terminal that dies hangs up who reads a line, in its midst:
    // the rest of the line is another's.
    command.done = there && (this.outer || !this.wrapper.killed);
    return there;
  }

  /**
   * False when the terminal is gone: with a wrapper that held it, it goes for the
   * programs in the foreground alone.
   */
  private line(text: string): boolean {
    if (this.hungUp || this.pty.child.terminal!.closed) return false;
    this.pty.line(text);
    return true;
  }

  /** Types what chance picks; what befalls comes in the midst of one of them. */
  async type(incident: Incident, early: boolean): Promise<void> {
    const { random } = this;
    if (early) await this.befall(incident);
    if (!(await this.up())) return;
    this.world.look();
    const all = plan(random, this.shell, this.world.secrets);
    const when = early ? -1 : random.int(0, all.length - 1);
    for (const [i, command] of all.entries()) {
      const ran = this.run(command);
      if (i === when) await this.befall(incident);
      if (!(await ran)) return;
      this.world.look();
    }
  }

  private async befall(incident: Incident): Promise<void> {
    const { world, pty, random } = this;
    if (incident === "none") return;
    await Bun.sleep(random.next() * 120);
    const wrapper = this.findWrapper();
    world.tell(`typist ${this.mark}: ${incident}`);
    world.count(`typist: ${incident}`);
    const [verb, whom] = incident.split(" ");
    const pids = [
      ...(whom !== "shell" ? [wrapper] : []),
      ...(whom !== "wrapper" ? [this.program] : []),
    ].filter((pid) => isMarked(pid, this.mark));
    if (incident === "hang up") {
      this.wrapper.killed = this.hungUp = true;
      return pty.hangUp();
    }
    if (verb === "kill") {
      this.wrapper.killed ||= whom !== "shell";
      this.hurt ||= whom !== "wrapper";
      for (const pid of pids) send(pid, "SIGKILL");
      return;
    }
    for (const pid of pids) send(pid, "SIGSTOP");
    await Bun.sleep(random.next() * 300);
    // The wrapper stops with its shell.
    for (const pid of new Set([...pids, wrapper]))
      if (isMarked(pid, this.mark)) send(pid, "SIGCONT");
  }

  /** Whether the shell that was wrapped lives, and nothing ends it. */
  get lives(): boolean {
    if (this.program === 0 || this.hurt || this.hungUp) return false;
    // Its terminal goes with a wrapper that holds it.
    if (this.wrapper.killed && !this.outer) return false;
    return processState(this.program) !== null;
  }

  /** Has every shell of it exit, and the terminal closed. */
  async end(): Promise<void> {
    if (this.done) return;
    this.done = true;
    const status = this.random.int(0, 120);
    // Without its wrapper the terminal has nobody who would take it away.
    if (this.wrapper.killed && !this.outer) this.pty.hangUp();
    for (let n = 0; n < 4 && this.alive().length > 0; n++)
      if (!this.line(`exit ${status}`) || !(await this.prompt())) break;
    await this.until(
      "its shells to end",
      () => this.alive().length === 0 || null,
    );
    if (!this.outer && !this.hungUp) await this.pty.ended();
    const { exitCode } = this.pty.child;
    const ended = this.outer ? OVER.exec(this.pty.text())?.[1] : exitCode;
    if (!this.wrapper.killed && !this.hurt && Number(ended) !== status)
      this.world.blame(
        `typist ${this.mark}: its wrapper ended with ${ended}, the shell with ${status}: ${this.pty.text().slice(-500)}`,
      );
    if (!this.wrapper.killed && !this.hurt) this.status = status;
    await this[Symbol.asyncDispose]();
  }

  /** Ends what is left of it, and nobody else's. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of this.alive()) send(pid, "SIGKILL");
    await this.pty[Symbol.asyncDispose]();
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has gone.
  }
}

const marked = (mark: string): number[] =>
  readdirSync("/proc")
    .map(Number)
    .filter((pid) => isMarked(pid, mark) && !isOnItsOwn(pid));

/** Whether a process is one of a typist's, and no other that has its pid by now. */
const isMarked = (pid: number, mark: string): boolean =>
  pid > 0 && said(pid, "environ").includes(`SB_TYPIST=${mark}\0`);

/**
 * What wrappers leave behind them, what keeps the terminal, and what has calls fail
 * (inject.ts), which stays as long as a drain does.
 */
const isOnItsOwn = (pid: number): boolean =>
  /^(drain|sleep\0infinity|[^\0]*\/fault\0)|\0drain\0/.test(
    said(pid, "cmdline"),
  );

function said(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1");
  } catch {
    // It has gone.
    return "";
  }
}
