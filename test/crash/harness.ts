/**
 * Kills our processes at moments that chance picks, and remembers every event
 * that was on disk as a whole line, to be held against the database later.
 */
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import { sessionIdOf } from "../../src/model/id.ts";
import { ensureSpool } from "../../src/spool/write.ts";
import { at, command, end, processOf, start } from "../support/events.ts";
import type { Random } from "../support/random.ts";
import { BINARY, type Sandbox } from "../support/sandbox.ts";
import { until } from "../support/wait.ts";

export type Victim = "wrapper" | "drain" | "reader";

const FILES = 8;
const EVENTS_A_FILE = 600;

export class Harness {
  /** By event id, everything that was seen whole in the spool. */
  readonly seen = new Map<string, Event>();
  readonly kills: Record<Victim, number> = { wrapper: 0, drain: 0, reader: 0 };
  private readonly spool: string;
  /** Up to where each file was read; all its text is ASCII. */
  private readonly read = new Map<string, number>();
  /** Files made by `fill`. */
  private readonly filled = new Set<string>();
  private sessions = 0;

  constructor(
    private readonly sandbox: Sandbox,
    private readonly random: Random,
  ) {
    this.spool = ensureSpool(sandbox.data);
  }

  /** Reads every whole line that has come to the spool since the last look. */
  look(): void {
    for (const folder of [this.spool, join(this.spool, "done")])
      for (const name of listed(folder)) {
        const path = join(folder, name);
        const from = this.read.get(name) ?? 0;
        if (statSync(path, { throwIfNoEntry: false })?.size === from) continue;
        const text = contentOf(path).slice(from);
        const whole = text.lastIndexOf("\n") + 1;
        for (const line of text.slice(0, whole).split("\n"))
          if (line !== "") this.remember(line);
        this.read.set(name, from + whole);
      }
  }

  private remember(line: string): void {
    let event: Event;
    try {
      event = JSON.parse(line) as Event;
    } catch {
      // Torn by a kill, then closed by a drain: never whole.
      return;
    }
    this.seen.set(event.event_id, event);
  }

  /** A wrapped program, and its wrapper killed within its life. */
  async killWrapper(): Promise<void> {
    const { random } = this;
    const program = random.pick(["exit 7", "sleep 0.02; exit 3", "sleep 0.2"]);
    const child = this.spawn(["shell", "--", "sh", "-c", program]);
    await Bun.sleep(random.next() * random.pick([6, 25, 120]));
    await this.kill(child, "wrapper");
  }

  /** A drain of a full spool, killed before it was through. */
  async killDrain(): Promise<void> {
    if (this.waiting().length === 0) this.fill();
    const child = this.spawn(["list-sessions", "--limit", "1"]);
    await this.holdsStore(child);
    await Bun.sleep(this.random.next() * 220);
    await this.kill(child, () =>
      this.waiting().length > 0 ? "drain" : "reader",
    );
  }

  /** A reader of many sessions whose output nobody takes, killed anywhere. */
  async killReader(): Promise<void> {
    const child = this.spawn(["list-sessions", "--format", "json"]);
    await this.holdsStore(child);
    await until(
      "the drain to be through",
      () => child.exitCode !== null || this.waiting().length === 0,
    );
    await Bun.sleep(this.random.next() * 40);
    await this.kill(child, "reader");
  }

  private spawn(args: string[]): Bun.Subprocess {
    return Bun.spawn([BINARY, ...args], {
      env: this.sandbox.envWith(),
      cwd: this.sandbox.home,
      stdio: ["ignore", "pipe", "ignore"],
    });
  }

  private async kill(
    child: Bun.Subprocess,
    victim: Victim | (() => Victim),
  ): Promise<void> {
    child.kill("SIGKILL");
    await child.exited;
    this.look();
    // One that was over before counts for nothing.
    if (child.signalCode !== "SIGKILL") return;
    this.kills[typeof victim === "string" ? victim : victim()]++;
  }

  /** Waits until a process has the database, or is over. */
  private async holdsStore(child: Bun.Subprocess): Promise<void> {
    const lock = join(this.sandbox.data, "store.lock");
    await until(
      `process ${child.pid} to hold store.lock`,
      () =>
        child.exitCode !== null ||
        contentOf(lock).startsWith(`{"pid":${child.pid},`),
    );
  }

  /** Files of `fill` that no drain is through with. */
  private waiting(): string[] {
    return listed(this.spool).filter((name) => this.filled.has(name));
  }

  /** Sessions of before a reboot, some without an end, one with a torn line. */
  private fill(): void {
    const { random } = this;
    for (let n = 0; n < FILES; n++) {
      const event_id = random.uuid();
      const session_id = sessionIdOf(
        "sh",
        new Date(at(this.sessions)),
        event_id,
      );
      const when = this.sessions++;
      const events: Event[] = [
        start({ session_id, event_id, timestamp: at(when), lock: "flock" }),
        processOf(when, { session_id, boot_id: "another boot" }),
        ...Array.from({ length: random.int(1, EVENTS_A_FILE) }, (_, i) =>
          command(when + i, { session_id, text: random.hex(200) }),
        ),
        ...(random.chance(0.5) ? [end(when + 1_000, { session_id })] : []),
      ];
      const text = events.map((event) => `${JSON.stringify(event)}\n`).join("");
      const cut = random.chance(0.1) ? random.int(1, 100) : 0;
      const name = `${session_id}.ndjson`;
      writeFileSync(join(this.spool, name), text.slice(0, text.length - cut), {
        mode: 0o600,
      });
      this.filled.add(name);
    }
    this.look();
  }
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".ndjson"));
  } catch {
    // Not made yet.
    return [];
  }
}

/** Empty when it is not, or no more, there. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
