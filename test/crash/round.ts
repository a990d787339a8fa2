/**
 * One round: a place, trouble, and for a while everybody at once. Then the
 * trouble ends, everybody is waited for, and the books are compared: first with
 * the sessions that live on, then with nobody left.
 */
import { configure } from "../support/host.ts";
import { Random } from "../support/random.ts";
import type { Sandbox } from "../support/sandbox.ts";
import { Actors } from "./actors.ts";
import { checkAll, checkLiving } from "./check.ts";
import { drainsOver } from "./drains.ts";
import type { Injector } from "./inject.ts";
import { Leftovers } from "./leftovers.ts";
import type { Fate } from "./process.ts";
import { checkShown, checkTyped } from "./check-typed.ts";
import { SHELLS, furnish } from "./typing.ts";
import { Reporter } from "./reporter.ts";
import { Server } from "./server.ts";
import { type Trouble, World } from "./world.ts";

/** So many act at the same time, the server not counted. */
const LANES = 3;

export interface Played {
  counts: Record<string, number>;
  violations: string[];
  story: string[];
  /** Where it is kept when something is wrong. */
  place: string;
}

/** What a machine lets us do. */
export interface Means {
  injector: Injector | null;
  /** Whether we may mount. */
  root: boolean;
}

/**
 * Plays the round of a number.
 * @param seed the run's; with the number it makes the round's own chance
 */
export async function playRound(
  seed: number,
  number: number,
  { injector, root }: Means,
): Promise<Played> {
  const random = new Random(seed + number * 0x9e3779b9);
  const distant = random.chance(0.25);
  const trouble = random.pick<Trouble>([
    "none",
    ...(injector ? (["calls", "calls", "clock"] as const) : []),
    ...(root ? (["disk"] as const) : []),
  ]);
  const world = new World(random, injector, trouble, distant);
  world.tell(
    `round ${number}: trouble ${trouble}${distant ? ", a server far away" : ""}`,
  );
  world.count(`round with trouble ${trouble}`);
  if (distant) world.count("round with a far server");
  const home = world.seenFromHere(world.sandbox.home);
  furnish(home);
  // Nobody sends heartbeats of what is reported: it is to live for the whole round.
  for (const host of [{ home }, world.far])
    if (host) configure(host as Sandbox, "session: {lease: 600s}\n");
  const round = new Round(world, distant);
  try {
    await round.play();
  } catch (error) {
    world.blame(
      `the round itself: ${error instanceof Error ? error.stack : error}`,
    );
  } finally {
    await world.end();
  }
  const { counts, violations, story } = world;
  const place = `${world.sandbox.home} ${world.far?.home ?? ""} ${world.side}`;
  if (violations.length === 0) world.remove();
  return { counts, violations, story, place };
}

class Round {
  private readonly actors: Actors;
  private readonly server: Server;
  private readonly reporter: Reporter;
  private readonly leftovers: Leftovers;

  constructor(
    private readonly world: World,
    private readonly distant: boolean,
  ) {
    this.actors = new Actors(world);
    this.server = new Server(world);
    this.reporter = new Reporter(world, [this.server]);
    this.leftovers = new Leftovers(world);
  }

  async play(): Promise<void> {
    const { world, server, distant } = this;
    const { random } = world;
    if (distant) await world.calmly(() => server.start());
    else if (random.chance(0.5)) await server.start();
    let steps = random.int(6, 18);
    const lane = async () => {
      while (steps-- > 0) await this.step();
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    await this.settle();
  }

  private async step(): Promise<void> {
    const { world, actors, leftovers, server, reporter, distant } = this;
    const { random } = world;
    const fate = random.pick<Fate>(["live", "kill", "kill", "freeze"]);
    const steps: [weight: number, () => unknown][] = [
      [6, () => actors.wrapShort(fate)],
      [3, () => actors.living.length < 3 && actors.wrapLong(fate)],
      [SHELLS.length > 0 ? 4 : 0, () => actors.typeCommands()],
      [4, () => actors.command("drain", fate)],
      [4, () => actors.command("reader", fate)],
      [
        1,
        () =>
          Promise.all([
            actors.command("reader", fate),
            actors.command("reader", "live"),
          ]),
      ],
      [2, () => leftovers.plant()],
      [2, () => leftovers.leaveShell()],
      [3, () => leftovers.leaveCommands()],
      [1, () => this.hideSpool()],
      [1, () => world.disk && this.fillDisk()],
      [server.runs ? 8 : 0, () => reporter.report()],
      [
        server.runs ? 1 : 3,
        () => (server.runs ? server.kill() : server.start()),
      ],
      [server.runs ? 1 : 0, () => server.freeze()],
      [server.runs && !distant ? 0.5 : 0, () => server.stop()],
    ];
    let at = random.next() * steps.reduce((sum, [weight]) => sum + weight, 0);
    await steps.find(([weight]) => (at -= weight) < 0)![1]();
  }

  private async hideSpool(): Promise<void> {
    this.actors.moveAway();
    await this.actors.wrapShort("live");
    this.actors.moveBack();
  }

  private async fillDisk(): Promise<void> {
    const { world } = this;
    world.count("disk filled");
    world.tell("the disk is full");
    world.disk!.fill();
    for (let n = world.random.int(1, 3); n > 0; n--) await this.step();
    world.disk!.free();
    world.tell("the disk is free again");
  }

  private async settle(): Promise<void> {
    const { world, actors, server, distant } = this;
    const { random } = world;
    world.tell("calm");
    world.calm();
    world.disk?.free();
    actors.moveBack();
    // What calls did to the server stays with it: another one takes over.
    if (random.chance(0.5)) await server.kill();
    else await server.stop();
    if (distant || random.chance(0.3)) await server.start();
    await drainsOver(world.sandbox.home);
    world.look();
    await checkLiving(world, actors);
    await server.checkHealth();
    await actors.endLiving();
    await drainsOver(world.sandbox.home);
    world.look();
    await checkShown(world, actors);
    await checkAll(world, actors, () => server.stop());
    await checkTyped(world, actors);
  }
}
