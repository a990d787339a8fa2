/**
 * Who acts in a round: wrappers around programs, commands that drain and read,
 * a server, and old recordings that lie about. Each is a real process; what
 * becomes of it is chance.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import { sessionIdOf } from "../../src/model/id.ts";
import { isOfSpool } from "../../src/spool/folder.ts";
import { at, command, end, processOf, start } from "../support/events.ts";
import { GONE, hook } from "../support/spool.ts";
import { gone, until } from "../support/wait.ts";
import type { Fate, Process } from "./process.ts";
import type { World } from "./world.ts";

/** Says its session and its pid, and ends as it is told. */
const SAYS = 'echo "$SESSION_BUDDY_SESSION_ID/$$/"; ';

/** A wrapped program. */
export class Wrapped {
  /** null until it has said so, or when it is not recorded. */
  session_id: string | null = null;
  program = 0;
  done = false;

  constructor(
    readonly wrapper: Process,
    readonly status: number,
    /** Writing end of the pipe that it waits at; null of one that ends by itself. */
    private readonly pipe: number | null,
  ) {}

  /** Waits until the program has said who it is; false when it never will. */
  async up(): Promise<boolean> {
    let ended = false;
    void this.wrapper.quiet.then(() => (ended = true));
    const said = await until("a wrapped program to begin", () => {
      const words = this.wrapper.stdout.split("/");
      return words.length > 2 ? words : ended && [];
    });
    if (said.length === 0) return false;
    this.session_id = said[0] || null;
    this.program = Number(said[1]);
    return true;
  }

  /** Lets a program that waits come to its end, and waits for that. */
  async end(): Promise<void> {
    if (this.pipe !== null && !this.done)
      writeSync(this.pipe, `${this.status}\n`);
    this.done = true;
    // With the program, and all that is its, its output ends.
    await this.wrapper.quiet;
    await this.wrapper.end();
    if (this.program) await gone(this.program);
    if (this.pipe !== null) closeSync(this.pipe);
  }
}

export class Actors {
  readonly living: Wrapped[] = [];
  readonly ended: Wrapped[] = [];
  private pipes = 0;
  private planted = 0;
  private away = false;

  constructor(private readonly world: World) {}

  /** A program that ends by itself, and what happens to its wrapper. */
  async wrapShort(fate: Fate): Promise<void> {
    const { world } = this;
    const status = world.random.int(0, 120);
    const body = world.random.pick(["", "sleep 0.02; ", "sleep 0.2; "]);
    const wrapper = world.spawn("wrapper", [
      "shell",
      "--",
      "sh",
      "-c",
      `${SAYS}${body}exit ${status}`,
    ]);
    const wrapped = new Wrapped(wrapper, status, null);
    await this.befall(wrapper, fate);
    if (await wrapped.up()) this.note(wrapped);
    await wrapped.end();
    this.ended.push(wrapped);
    this.judge(wrapped);
  }

  /** A program that lives on until the round's end, with its wrapper or without. */
  async wrapLong(fate: Fate): Promise<void> {
    const { world } = this;
    const status = world.random.int(0, 120);
    const path = join(world.side, `pipe-${this.pipes++}`);
    Bun.spawnSync(["mkfifo", path]);
    // For both directions: it opens at once, and no word is lost.
    const pipe = openSync(path, "r+");
    const program = `${SAYS}read status < "$0"; exit $status`;
    const wrapper = world.spawn("wrapper", [
      "shell",
      "--",
      "sh",
      "-c",
      program,
      path,
    ]);
    const wrapped = new Wrapped(wrapper, status, pipe);
    if (fate === "kill") await this.befall(wrapper, fate);
    if (!(await wrapped.up())) return void this.ended.push(wrapped);
    this.note(wrapped);
    this.living.push(wrapped);
    if (fate === "freeze") await wrapper.freeze(world.random.next() * 300);
  }

  async endLiving(): Promise<void> {
    for (const wrapped of this.living.splice(0)) {
      await wrapped.end();
      this.ended.push(wrapped);
      this.judge(wrapped);
    }
  }

  private note({ session_id, wrapper }: Wrapped): void {
    this.world.tell(`wrapper ${wrapper.pid} records ${session_id}`);
    const { world } = this;
    if (session_id) return void world.wrapped.add(session_id);
    world.count("unrecorded");
    if (world.trouble === "none" && !world.counts["spool moved away"])
      world.blame(
        `wrapper ${wrapper.pid} records nothing, and nothing is wrong`,
      );
  }

  /** Recording trouble is never the user's: he gets his program's own status. */
  private judge({ wrapper, status }: Wrapped): void {
    const { exitCode, signalCode } = wrapper.child;
    if (wrapper.killed || exitCode === status) return;
    this.world.blame(
      `wrapper ${wrapper.pid} ended with ${exitCode ?? signalCode}, its program with ${status}: ${wrapper.stderr}`,
    );
  }

  /** A command that drains, and perhaps reads. */
  async command(role: "drain" | "reader", fate: Fate): Promise<void> {
    const { random } = this.world;
    const [known = "none-20260101-000000-00000000"] = random.shuffled([
      ...this.world.wrapped,
    ]);
    const args =
      role === "drain"
        ? ["drain"]
        : random.pick([
            ["list-sessions", "--format", "json"],
            ["list-sessions", "--limit", "3"],
            ["show-session", known],
          ]);
    // What a drain with a wrong clock takes away at once is seen before.
    this.world.look();
    await this.befall(this.world.spawn(role, args), fate);
    this.world.look();
  }

  private async befall(process: Process, fate: Fate): Promise<void> {
    await process.meet(fate, this.world.random);
    if (process.killed) this.world.count(`${process.role} killed`);
    if (fate === "freeze") this.world.count("frozen");
    if (fate !== "live")
      this.world.tell(`${process.role} ${process.pid}: ${fate}`);
    if (process.role !== "wrapper") await process.end();
  }

  /** Sessions of processes that are gone, some without an end, one with a torn line. */
  plant(): void {
    const { random, spool, trouble } = this.world;
    for (let n = random.int(1, 4); n > 0; n--) {
      const event_id = random.uuid();
      const when = this.planted++;
      const session_id = sessionIdOf("old", new Date(at(when)), event_id);
      const events: Event[] = [
        start({
          ...{ session_id, event_id, timestamp: at(when), lock: "flock" },
          ...GONE,
        }),
        processOf(when, { session_id, ...GONE }),
        ...Array.from({ length: random.int(1, 400) }, (_, i) =>
          command(when + i, { session_id, text: random.hex(200) }),
        ),
        ...(random.chance(0.5) ? [end(when + 1_000, { session_id })] : []),
      ];
      const text = events.map((event) => `${JSON.stringify(event)}\n`).join("");
      const cut = random.chance(0.2) ? random.int(1, 100) : 0;
      // Nobody holds its lock: it has to be there as it is, at once.
      const beside = join(dirname(spool), "planting");
      try {
        writeFileSync(beside, text.slice(0, text.length - cut), {
          mode: 0o600,
        });
      } catch (error) {
        // A full disk: what has come to it counts.
        this.world.tell(`planted in part: ${error}`);
      }
      try {
        renameSync(beside, join(spool, `${session_id}.ndjson`));
      } catch (error) {
        this.world.tell(`not planted: ${error}`);
      }
      this.world.wrapped.add(session_id);
    }
    this.world.tell(`planted, ${trouble}`);
    this.world.look();
  }

  /** One that a full disk has left empty waits a minute, and its shells with it. */
  private anyBegun(): string | undefined {
    const { random, seen, wrapped } = this.world;
    const begun = new Set([...seen.values()].map((event) => event.session_id));
    return random.shuffled([...wrapped]).find((id) => begun.has(id));
  }

  /**
   * What a shell wrote within a session, and left when it was killed: beside its
   * session's file, or after that is gone and stored.
   */
  leaveShell(): void {
    const { world } = this;
    const { random } = world;
    const session_id = this.anyBegun();
    if (session_id === undefined) return;
    const commands = Array.from({ length: random.int(1, 40) }, () =>
      command(0, {
        ...{ session_id, event_id: random.uuid(7), text: random.hex(60) },
        timestamp: new Date().toISOString(),
      }),
    );
    const text = commands.map((event) => `${JSON.stringify(event)}\n`).join("");
    const name = `${session_id}.${random.int(4_190_000, 4_194_000)}.ndjson`;
    try {
      appendFileSync(join(world.spool, name), text, { mode: 0o600 });
    } catch (error) {
      world.tell(`a shell's file in part: ${error}`);
    }
    world.late.add(session_id);
    world.count("shell files left");
    world.tell(`a shell of ${session_id} left ${name}`);
    world.look();
  }

  /**
   * What a hooked shell wrote of its commands, and left when it was killed: in the
   * midst of a line perhaps, or beginning anew under its pid.
   */
  leaveCommands(): void {
    const { world } = this;
    const { random } = world;
    const session_id = this.anyBegun();
    if (session_id === undefined) return;
    const pid = random.int(4_190_000, 4_194_000);
    let text = "";
    for (let shell = random.int(1, 2); shell > 0; shell--) {
      const begun_ms = Date.now() - shell * 1_000;
      text += hook.header(pid, begun_ms);
      for (let seq = 1; seq <= random.int(1, 30); seq++) {
        text += hook.start(seq, begun_ms + seq, `echo ${random.hex(40)}\\`);
        if (random.chance(0.9))
          text += hook.end(seq, begun_ms + seq, random.int(0, 2), "0 1");
        // The shell's fork has written it too.
        if (random.chance(0.1))
          text += hook.start(seq, begun_ms + seq, "echo again");
      }
    }
    const cut = random.chance(0.3) ? random.int(1, 40) : 0;
    const name = `${session_id}.${pid}.commands`;
    try {
      appendFileSync(
        join(world.spool, name),
        text.slice(0, text.length - cut),
        {
          mode: 0o600,
        },
      );
    } catch (error) {
      world.tell(`a shell's commands in part: ${error}`);
    }
    world.late.add(session_id);
    world.count("command files left");
    world.tell(`a shell of ${session_id} left ${name}`);
    world.look();
  }

  /** Somebody moves the spool out of the way of those who write to it. */
  moveAway(): void {
    const { world } = this;
    world.look();
    const away = `${world.spool}.away`;
    if (this.away || !existsSync(world.spool)) return;
    // A drain that was at work there may have made it anew, to keep a line.
    if (existsSync(away)) return;
    renameSync(world.spool, away);
    this.away = true;
    world.count("spool moved away");
    world.tell("the spool is moved away");
  }

  /** And back, beside what has come to its place. */
  moveBack(): void {
    const { spool } = this.world;
    if (!this.away) return;
    this.world.look();
    mkdirSync(spool, { recursive: true, mode: 0o700 });
    for (const folder of ["", "done/", "quarantine/"]) {
      const from = `${spool}.away/${folder}`;
      if (!existsSync(from)) continue;
      mkdirSync(`${spool}/${folder}`, { recursive: true, mode: 0o700 });
      for (const name of readdirSync(from)) {
        const place = `${spool}/${folder}${name}`;
        if (!existsSync(place)) renameSync(`${from}${name}`, place);
        else if (isOfSpool(name))
          // Made anew meanwhile, perhaps in part: nobody throws the other away.
          appendFileSync(place, `\n${readFileSync(`${from}${name}`, "utf8")}`);
      }
    }
    rmSync(`${spool}.away`, { recursive: true });
    this.away = false;
    this.world.tell("the spool is moved back");
  }
}
