/** Events that are stored while a destination of `export_to` has its troubles. */
import { expect } from "bun:test";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { StoredEvent } from "../../src/model/store.ts";
import { command, start } from "./events.ts";
import { configure } from "./host.ts";
import { Random } from "./random.ts";
import type { Sandbox } from "./sandbox.ts";
import { TestServer } from "./server.ts";
import { until } from "./wait.ts";

/** What takes events, and the `export_to` that leads there. */
export interface Receiver {
  yaml: string;
  /** Ids of events in the order in which they came; some may have come again. */
  arrived(): string[];
}

let sessions = 0;

/** A session with so many commands, one event each. */
export function commandsOf(count: number, text = "echo") {
  const session_id = `bash-20260206-123456-${(++sessions).toString(16).padStart(8, "0")}`;
  return [
    start({ session_id }),
    ...Array.from({ length: count - 1 }, (_, n) =>
      command(n, { session_id, pid: 7, seq: n, text: `${text} ${n}` }),
    ),
  ];
}

/** Every event is stored: whatever becomes of exports, they commit. */
export async function store(
  server: TestServer,
  events: readonly object[],
): Promise<void> {
  const sent_at = new Date().toISOString();
  for (let at = 0; at < events.length; at += 500) {
    const part = events.slice(at, at + 500);
    const { result } = await server.call("track_events", {
      ...{ sent_at, events: part },
    });
    const results = result["results"] as { status: string }[];
    expect(new Set(results.map(({ status }) => status))).toEqual(
      new Set(["stored"]),
    );
  }
}

/** The ids of all that is stored, in the order of arrival. */
export async function storedIds(server: TestServer): Promise<string[]> {
  const ids: string[] = [];
  for (let after_seq = 0; ;) {
    const { result } = await server.call("list_events", {
      ...{ after_seq, limit: 10_000 },
    });
    const events = result["events"] as {
      seq: number;
      event: { event_id: string };
    }[];
    ids.push(...events.map(({ event }) => event.event_id));
    if (result["next_cursor"] === null) return ids;
    after_seq = events.at(-1)!.seq;
  }
}

/** A delivery that the other end keeps waiting is broken off after 30 s, and tried again. */
const DELIVERED_MS = 90_000;

/** Waits until all that is stored has come, and it came in order. */
export async function allArrived(
  server: TestServer,
  receiver: Receiver,
): Promise<void> {
  const wanted = await storedIds(server);
  const last = wanted.at(-1)!;
  await until(
    "the last event to come",
    () => receiver.arrived().includes(last),
    DELIVERED_MS,
  );
  // What comes again comes after its first time.
  expect([...new Set(receiver.arrived())]).toEqual(wanted);
}

/** Stores many events while the server is killed again and again, and then lets it come to its end. */
export async function surviveKills(
  sandbox: Sandbox,
  receiver: Receiver,
  seed: number,
): Promise<void> {
  console.error(`kills: SEED=${seed}`);
  const random = new Random(seed);
  for (let kill = 0; kill < 3; kill++) {
    await using server = await TestServer.start(sandbox);
    const before = receiver.arrived().length;
    await store(server, commandsOf(1_200));
    // In the midst of it, once something has come.
    const more = before + 1 + random.int(0, 999);
    await until("some to come", () => receiver.arrived().length >= more);
    await server.stop("SIGKILL");
  }
  await using server = await TestServer.start(sandbox);
  await allArrived(server, receiver);
}

/** What the doctor says of a destination. */
export async function doctorOf(
  sandbox: Sandbox,
  name: string,
): Promise<{ status: string; detail: string; fix: string | null }> {
  const { stdout } = await sandbox.run(["doctor", "--json"]);
  const { tests } = JSON.parse(stdout).phases.database_verification;
  return tests.find((test: { name: string }) => test.name === `export_${name}`);
}

/** A figure of /metrics, of one destination. */
export async function figure(
  { origin }: TestServer,
  name: string,
  destination: string,
): Promise<number> {
  const text = await (await fetch(`${origin}/metrics`)).text();
  const start = `session_buddy_${name}{destination="${destination}"} `;
  const line = text.split("\n").find((line) => line.startsWith(start));
  return Number(line!.slice(start.length));
}

/** The file of a sandbox and those that it was rotated into, oldest first. */
export class Files implements Receiver {
  readonly folder: string;
  readonly yaml: string;

  constructor(
    readonly sandbox: Sandbox,
    settings = "",
  ) {
    this.folder = join(sandbox.home, "out");
    mkdirSync(this.folder, { mode: 0o700 });
    this.yaml = `export_to:\n  archive: {type: file, path: ${this.path}${settings}}\n`;
    configure(sandbox, this.yaml);
  }

  get path(): string {
    return join(this.folder, "events.ndjson");
  }

  names(): string[] {
    const age = (name: string) => Number(/\.(\d+)$/.exec(name)?.[1] ?? 0);
    return readdirSync(this.folder).sort((a, b) => age(b) - age(a));
  }

  /** Throws for a line that is no JSON; one that has not ended is none yet. */
  lines(): StoredEvent[] {
    try {
      return this.linesNow();
    } catch (error) {
      // Rotated under our eyes.
      if ((error as { code?: string }).code === "ENOENT") return this.lines();
      throw error;
    }
  }

  private linesNow(): StoredEvent[] {
    return this.names()
      .flatMap((name) =>
        readFileSync(join(this.folder, name), "utf8").split("\n").slice(0, -1),
      )
      .map((line) => JSON.parse(line) as StoredEvent);
  }

  arrived(): string[] {
    return this.lines().map(({ event }) => event.event_id);
  }
}
