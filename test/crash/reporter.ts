/**
 * Programs that report their sessions to the servers of a round. What was
 * acknowledged has to be there in the end; what was not answered may be sent again,
 * to another server.
 */
import { endEventId, sessionIdOf } from "../../src/model/id.ts";
import type { Random } from "../support/random.ts";
import { startArguments } from "../support/server.ts";
import type { Books } from "./books.ts";
import { ANSWER_MS, type Server } from "./server.ts";

type Result = Record<string, unknown>;

/** A call that may be made again until it is answered. */
interface Report {
  tool: string;
  args: object;
  /** @returns false when the answer promises nothing */
  took(result: Result): boolean;
}

interface EventAnswer {
  event_id: string;
  status: string;
  error: string;
}

const now = () => new Date().toISOString();

export class Reporter {
  /** Sessions of which no end was asked for. */
  private readonly open: string[] = [];
  private readonly channels = new Map<string, string>();
  /** Of sessions that live on as long as heartbeats come. */
  private readonly leased = new Set<string>();
  private readonly unanswered: Report[] = [];
  private last = { event_id: "", timestamp: "" };

  /** @param resends whether what was not answered is sent again */
  constructor(
    private readonly world: Books & { random: Random },
    private readonly servers: readonly Server[],
    private readonly resends = false,
  ) {}

  /** One thing that a reporting program does. */
  async report(): Promise<void> {
    const { random } = this.world;
    if (this.unanswered.length > 0 && random.chance(0.3))
      return this.make(this.unanswered.shift()!);
    const what = random.next();
    if (what < 0.3) return this.reportStart();
    if (what < 0.45) return this.reportEnd();
    if (what < 0.8) return this.reportEvents();
    return this.reportChannel();
  }

  /** Sends what was not answered until all is. */
  async finish(): Promise<void> {
    this.world.count("sent again at the end", this.unanswered.length);
    for (let tries = 0; this.unanswered.length > 0; tries++) {
      if (tries > 500)
        return this.world.blame(
          `${this.unanswered.length} calls get no answer, first ${JSON.stringify(this.unanswered[0]).slice(0, 300)}`,
        );
      if (tries > 0) await Bun.sleep(100);
      for (const report of this.unanswered.splice(0)) await this.make(report);
    }
  }

  /** Signs of life of all sessions that live by them. */
  async beat(): Promise<void> {
    const { random, told } = this.world;
    const now_ms = Date.now();
    for (const session_id of this.leased)
      told.get(session_id)!.beats!.push(now_ms);
    const events = [...this.leased].map((session_id) => ({
      ...{ event_version: "1.0", event_id: random.uuid(7), session_id },
      ...{ event_type: "heartbeat", timestamp: now() },
    }));
    if (events.length === 0) return;
    const result = await this.call("track_events", { sent_at: now(), events });
    const results = (result?.["results"] ?? []) as EventAnswer[];
    this.world.count("heartbeats", results.length);
    for (const { status, error } of results)
      if (status !== "stored") this.world.blame(`a heartbeat: ${error}`);
  }

  private async make(report: Report): Promise<void> {
    const result = await this.call(report.tool, report.args);
    if (result && report.took(result)) return;
    this.refused(result);
    if (this.resends) this.unanswered.push(report);
  }

  private async reportStart(): Promise<void> {
    const { world, last } = this;
    const { random } = world;
    // Some share what their ids are made of.
    const collides = last.event_id !== "" && random.chance(0.2);
    const uuid = random.uuid();
    const event_id = collides
      ? last.event_id.slice(0, 8) + uuid.slice(8)
      : uuid;
    const timestamp = collides ? last.timestamp : now();
    this.last = { event_id, timestamp };
    const began = sessionIdOf("wire", new Date(timestamp), event_id);
    // A program that lives, or one that cannot be looked for.
    const pid = random.pick([process.pid, 4_194_000]);
    const sent = { component_name: "wire", timestamp, event_id, pid };
    world.sent.set(event_id, false);
    await this.make({
      tool: "track_session_start",
      args: startArguments(sent),
      took: (result) => {
        if (result["status"] !== "tracked") return false;
        const session_id = String(result["session_id"]);
        if (!session_id.startsWith(began))
          world.blame(`another id than ${began}: ${JSON.stringify(result)}`);
        if (world.told.has(session_id))
          world.blame(`two sessions have the id ${session_id}`);
        world.sent.set(event_id, true);
        world.told.set(session_id, { ended: false, ending: false });
        this.open.push(session_id);
        return true;
      },
    });
  }

  private async reportEnd(): Promise<void> {
    const { world } = this;
    const session_id = this.open.shift();
    if (!session_id) return this.reportStart();
    const told = world.told.get(session_id)!;
    const event_id = endEventId(session_id);
    told.ending = true;
    world.sent.set(event_id, false);
    await this.make({
      tool: "track_session_end",
      args: { session_id, timestamp: now() },
      took: ({ status }) => {
        if (status !== "ended") return false;
        told.ended = true;
        world.sent.set(event_id, true);
        return true;
      },
    });
  }

  /** A session of another host, as its drain brings it; sometimes twice. */
  private async reportEvents(): Promise<void> {
    const { world } = this;
    const { random } = world;
    const event_id = random.uuid();
    const began = new Date();
    const session_id = sessionIdOf("host", began, event_id);
    const timestamp = began.toISOString();
    const base = { event_version: "1.0", session_id, timestamp };
    const ends = random.chance(0.5);
    const start = {
      ...startArguments({ component_name: "host" }),
      ...{ ...base, event_id, session_type: "admin_shell" },
    };
    const commands = Array.from({ length: random.int(0, 300) }, (_, n) => ({
      ...{ ...base, event_id: random.uuid(7), event_type: "command_start" },
      text: `command ${n}`,
    }));
    const end = {
      ...{ ...base, event_id: random.uuid(7), event_type: "session_end" },
      ...{ end_source: "observed", exit_code: 0, signal: null },
    };
    const events = [start, ...commands, ...(ends ? [end] : [])];
    for (const event of events) world.sent.set(event.event_id, false);
    const report: Report = {
      tool: "track_events",
      args: { sent_at: timestamp, events },
      took: (result) => {
        const results = (result["results"] ?? []) as EventAnswer[];
        for (const { event_id: id, status, error } of results)
          if (status === "rejected") world.blame(`rejected ${id}: ${error}`);
          else world.sent.set(id, true);
        if (results.length === 0) return false;
        const { beats = [] } = world.told.get(session_id) ?? {};
        world.told.set(session_id, { ended: ends, ending: ends, beats });
        if (!ends) this.leased.add(session_id);
        return true;
      },
    };
    for (let times = random.int(1, 2); times > 0; times--)
      await this.make(report);
  }

  private async reportChannel(): Promise<void> {
    const { world } = this;
    const { random } = world;
    const channel_id = `channel-${random.int(1, 3)}`;
    const known = this.channels.get(channel_id);
    const ends = known !== undefined && random.chance(0.4);
    const event_id = random.uuid();
    if (known && ends) {
      world.told.get(known)!.ending = true;
      this.channels.delete(channel_id);
    }
    const result = await this.call("track_channel_session", {
      event_id,
      event_type: ends
        ? "channel_session_end"
        : random.pick(["channel_session_start", "channel_heartbeat"]),
      ...{ channel_type: "slack", channel_id, sender_id: "les" },
      ...{ timestamp: now(), event_version: "2.0" },
    });
    const session_id = result?.["session_id"] as string | null | undefined;
    if (result?.["status"] === "tracked" && session_id) {
      if (!world.told.has(session_id))
        world.told.set(session_id, { ended: false, ending: false });
      this.channels.set(channel_id, session_id);
    } else if (result?.["status"] === "ended" && session_id) {
      const told = world.told.get(session_id);
      if (told) Object.assign(told, { ended: true, ending: true });
    } else this.refused(result);
  }

  /** An answer that promises nothing has to say why. */
  private refused(result: Result | null): void {
    this.world.count(result ? "refused" : "unanswered");
    if (result && /internal error|\n\s+at /.test(JSON.stringify(result)))
      this.world.blame(`no sentence of ours: ${JSON.stringify(result)}`);
  }

  /** @returns null when it was not answered: the server is gone, or is not there */
  async call(name: string, args: object): Promise<Result | null> {
    const { world } = this;
    const url = world.random.pick(this.servers).url;
    if (url === null) return null;
    const params = { name, arguments: args };
    world.count("calls");
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          ...{ jsonrpc: "2.0", id: 1, method: "tools/call", params },
        }),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const { result, error } = (await response.json()) as {
        result?: { structuredContent?: Result; content?: unknown };
        error?: { message: string };
      };
      if (result?.structuredContent) return result.structuredContent;
      return { refused: error?.message ?? result?.content };
    } catch (error) {
      const { name: kind } = error as Error;
      if (kind === "TimeoutError")
        world.blame(`no answer within ${ANSWER_MS} ms to ${name}`);
      if (kind === "SyntaxError")
        world.blame(`no JSON in the answer to ${name}`);
      return null;
    }
  }
}
