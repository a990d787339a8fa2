/**
 * Finds out what takes time, once the child has started: its program's version,
 * and how many executables its PATH has. Both are annotated once; of a session
 * that is over before, they go with its end.
 */
import type { Question, Run } from "./outcome.ts";
import { COUNT_EXECUTABLES, recallCommands } from "./path-executables.ts";
import type { StartOptions } from "./start-event.ts";
import { type Facts, versionQuestion } from "./program.ts";
import type { Program } from "../os/spawn.ts";

/** How long unanswered questions may hold up the end. */
const LAST_FACTS_MS = 250;
/** How long the executables may take to be counted. */
const COUNT_MS = 10_000;

export interface Discovered {
  program: Program;
  start: StartOptions;
  env: Readonly<Record<string, string | undefined>>;
  /** Where counts are remembered between runs. */
  cache: string;
}

export class Discovery {
  private facts: Facts = { measured: {} };
  private command_tree_size: number | null = null;
  /** How many questions have no answer yet. */
  private asked = 0;
  private counting = false;
  /** The child has had its start, and nothing has been annotated yet. */
  private settled = false;
  private annotated = false;
  private ended = false;

  /**
   * @param spool this machine's spool folder
   * @param annotate hears of all that was found out, while the session goes on
   */
  constructor(
    private readonly of: Discovered,
    private readonly child: Run,
    private readonly spool: string,
    private readonly annotate: (facts: Facts) => void,
  ) {}

  /** The child was started. */
  begin(): void {
    const { start, program, env, cache } = this.of;
    const file = new TextDecoder().decode(program.file);
    const question = versionQuestion(start.argv, file);
    if (question)
      this.ask(question, (text) => (this.facts = question.facts(text)));
    this.command_tree_size = recallCommands(env["PATH"] ?? "", cache);
  }

  /** The child has had its start. */
  learn(): void {
    this.count();
    this.settled = true;
    this.tell();
  }

  /**
   * What goes with the end: what was not annotated.
   * @param calm nobody is in a hurry: answers are waited for, a moment long
   */
  async last(calm: boolean): Promise<Facts> {
    this.ended = true;
    if (this.annotated) return { measured: {} };
    if (calm) {
      if (this.command_tree_size === null) this.count();
      await this.child.until(() => this.asked === 0, LAST_FACTS_MS);
    }
    return this.all();
  }

  /** Counts in a process of its own: a folder may be on a disk that does not answer. */
  private count(): void {
    if (this.counting) return;
    this.counting = true;
    const { cache } = this.of;
    const command = ["/proc/self/exe", COUNT_EXECUTABLES, cache, this.spool];
    const question = { command, argv0: "session-buddy", limit_ms: COUNT_MS };
    this.ask(question, (answer) => {
      this.command_tree_size = answer ? Number(answer) : this.command_tree_size;
    });
  }

  private ask(question: Question, answered: (text: string) => unknown): void {
    this.asked++;
    this.child.ask(question, (answer) => {
      answered(answer);
      this.asked--;
      this.tell();
    });
  }

  /** All that was found out, once, of a session that is not over yet. */
  private tell(): void {
    if (!this.settled || this.asked > 0 || this.ended) return;
    this.settled = false;
    this.annotated = true;
    this.annotate(this.all());
  }

  private all(): Facts {
    const { facts, command_tree_size } = this;
    return { ...facts, measured: { ...facts.measured, command_tree_size } };
  }
}
