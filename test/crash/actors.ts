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
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { isOfSpool } from "../../src/spool/folder.ts";
import { Random } from "../support/random.ts";
import { gone, until } from "../support/wait.ts";
import type { Fate, Process } from "./process.ts";
import { type Incident, Typist } from "./typist.ts";
import { SHELLS } from "./typing.ts";
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

/** What comes after it is still of the shell that has begun the newer file. */
function merge(newer: string, older: string): void {
  const [header = ""] =
    readFileSync(newer, "utf8")
      .match(/^h\t.*\n/gm)
      ?.slice(-1) ?? [];
  appendFileSync(newer, `\n${older}\n${header}`);
}

export class Actors {
  readonly living: (Wrapped | Typist)[] = [];
  readonly ended: (Wrapped | Typist)[] = [];
  readonly typists: Typist[] = [];
  private pipes = 0;
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
      if (wrapped instanceof Wrapped) this.judge(wrapped);
    }
  }

  /** Somebody types into a shell of its own; now and then it stays until the end. */
  async typeCommands(): Promise<void> {
    const { world } = this;
    // Of its own: what is typed does not depend on who else acts meanwhile.
    const random = new Random(world.random.int(0, 2 ** 31 - 1));
    const shell = random.pick(SHELLS);
    const incident = random.pick<Incident>([
      ...(["none", "none", "kill wrapper", "kill shell", "kill both"] as const),
      ...(["freeze wrapper", "freeze shell", "hang up"] as const),
    ]);
    const outer = random.chance(0.5);
    const stays = random.chance(0.3);
    const early = incident !== "none" && random.chance(0.15);
    const mark = `${process.pid}-${Math.round(performance.now() * 1_000)}`;
    const typist = new Typist(world, shell, outer, mark, random);
    world.tell(
      `typist ${mark}: ${shell} ${typist.wrapper.pid} ${incident}${early ? " early" : ""}${outer ? ", terminal of another's" : ""}`,
    );
    this.typists.push(typist);
    await typist.type(incident, early);
    if (typist.session_id !== null || typist.program !== 0) this.note(typist);
    if (stays && typist.lives && typist.wrapper.pid)
      return void this.living.push(typist);
    await typist.end();
    this.ended.push(typist);
  }

  private note({ session_id, wrapper }: Wrapped | Typist): void {
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
    // Nobody brings it back to where there is no room.
    this.world.disk?.free();
    this.world.look();
    mkdirSync(spool, { recursive: true, mode: 0o700 });
    for (const folder of ["", "done/", "quarantine/"]) {
      const from = `${spool}.away/${folder}`;
      if (!existsSync(from)) continue;
      mkdirSync(`${spool}/${folder}`, { recursive: true, mode: 0o700 });
      for (const name of readdirSync(from)) {
        // Its session may be closed by now: it comes late.
        if (name.endsWith(".commands"))
          this.world.late.add(name.split(".")[0]!);
        const place = `${spool}/${folder}${name}`;
        if (!existsSync(place)) renameSync(`${from}${name}`, place);
        else if (isOfSpool(name))
          // Made anew meanwhile, perhaps in part: nobody throws the other away.
          merge(place, readFileSync(`${from}${name}`, "utf8"));
      }
    }
    rmSync(`${spool}.away`, { recursive: true });
    this.away = false;
    this.world.tell("the spool is moved back");
  }
}
