/**
 * Old recordings that lie about: sessions of processes that are gone, and what
 * shells left when they were killed.
 */
import { appendFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import { sessionIdOf } from "../../src/model/id.ts";
import { at, command, end, processOf, start } from "../support/events.ts";
import { GONE, hook } from "../support/spool.ts";
import type { World } from "./world.ts";

export class Leftovers {
  private planted = 0;

  constructor(private readonly world: World) {}

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
}
