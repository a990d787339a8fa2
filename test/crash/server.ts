/**
 * The server of a round, which comes and goes, and programs that report their
 * sessions to it. What it has acknowledged has to be there in the end.
 */
import { EXIT_STATUS } from "../../src/model/failure.ts";
import { endEventId, sessionIdOf } from "../../src/model/id.ts";
import { startArguments } from "../support/server.ts";
import { until } from "../support/wait.ts";
import type { Process } from "./process.ts";
import type { World } from "./world.ts";

/** A machine may be slow; one that hangs gets there. */
const DRAIN_AGE_SECONDS = 30;
const ANSWER_MS = 45_000;

export class Server {
  private process: Process | null = null;
  private port = "auto";
  private ready = false;
  private readonly open: string[] = [];
  private readonly channels = new Map<string, string>();

  constructor(private readonly world: World) {}

  /** It was started, and is there, perhaps not ready yet. */
  get runs(): boolean {
    return this.process !== null && !this.process.over;
  }

  private get url(): string {
    return `http://127.0.0.1:${this.port}/mcp`;
  }

  /** Starts it; with trouble about, that may fail. */
  async start(): Promise<boolean> {
    if (this.runs) return true;
    const { world } = this;
    const process = world.spawn(
      "server",
      ["mcp", "start", "--port", this.port],
      true,
    );
    this.process = process;
    this.ready = false;
    await until(
      "a server to be ready, or over",
      () => process.over || /ready \(pid/.test(process.stderr),
    );
    const found = /127\.0\.0\.1:(\d+)\/mcp/.exec(process.stderr);
    if (process.over) await process.end();
    if (!found || process.over) return false;
    this.port = found[1]!;
    this.ready = true;
    if (world.far) world.endpoint = this.url;
    return true;
  }

  /** Freezes it in the middle of what it does. */
  async freeze(): Promise<void> {
    if (!this.runs) return;
    this.world.count("frozen");
    this.world.tell("server frozen");
    await this.process!.freeze(this.world.random.next() * 400);
  }

  async kill(): Promise<void> {
    if (!this.runs) return;
    const process = this.process!;
    process.kill();
    await process.child.exited;
    await process.end();
    this.world.count("server killed");
    this.world.tell(`server ${process.pid} killed`);
  }

  async stop(): Promise<void> {
    if (!this.runs || !this.ready) return this.kill();
    this.process!.child.kill("SIGTERM");
    await this.process!.end();
    const { exitCode } = this.process!.child;
    this.world.tell(`server stopped: ${exitCode}`);
    if (exitCode === EXIT_STATUS.timeout)
      this.world.blame(`it did not come to its end: ${this.process!.stderr}`);
  }

  /** With no trouble about, it sees to the spool. */
  async checkHealth(): Promise<void> {
    if (!this.runs || !this.ready) return;
    const { origin } = new URL(this.url);
    const response = await fetch(`${origin}/health`, {
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const health = (await response.json()) as {
      last_drain_age_seconds: number;
    };
    this.world.count("health asked");
    if (health.last_drain_age_seconds > DRAIN_AGE_SECONDS)
      this.world.blame(`no pass for long: ${JSON.stringify(health)}`);
  }

  /** One thing that a reporting program does. */
  async report(): Promise<void> {
    const { random } = this.world;
    const what = random.next();
    if (what < 0.3) return this.reportStart();
    if (what < 0.45) return this.reportEnd();
    if (what < 0.8) return this.reportEvents();
    return this.reportChannel();
  }

  private async reportStart(): Promise<void> {
    const { world } = this;
    const event_id = world.random.uuid();
    const now = new Date();
    const session_id = sessionIdOf("wire", now, event_id);
    // A program that lives, or one that cannot be looked for.
    const pid = world.random.pick([process.pid, 4_194_000]);
    const sent = {
      component_name: "wire",
      timestamp: now.toISOString(),
      event_id,
      pid,
    };
    world.sent.set(event_id, false);
    const result = await this.call("track_session_start", startArguments(sent));
    if (result?.["status"] !== "tracked") return this.refused(result);
    if (result["session_id"] !== session_id)
      world.blame(`another id than ${session_id}: ${JSON.stringify(result)}`);
    world.sent.set(event_id, true);
    world.told.set(session_id, { ended: false, ending: false });
    this.open.push(session_id);
  }

  private async reportEnd(): Promise<void> {
    const { world } = this;
    const session_id = this.open.shift();
    if (!session_id) return this.reportStart();
    const told = world.told.get(session_id)!;
    const event_id = endEventId(session_id);
    told.ending = true;
    if (!world.sent.has(event_id)) world.sent.set(event_id, false);
    const timestamp = new Date().toISOString();
    const result = await this.call("track_session_end", {
      session_id,
      timestamp,
    });
    if (result?.["status"] !== "ended") {
      this.open.push(session_id);
      return this.refused(result);
    }
    told.ended = true;
    world.sent.set(event_id, true);
  }

  /** A session of another host, as its drain brings it; sometimes twice. */
  private async reportEvents(): Promise<void> {
    const { world } = this;
    const { random } = world;
    const event_id = random.uuid();
    const now = new Date();
    const session_id = sessionIdOf("host", now, event_id);
    const base = {
      event_version: "1.0",
      session_id,
      timestamp: now.toISOString(),
    };
    const ends = random.chance(0.5);
    const events = [
      {
        ...startArguments({ component_name: "host" }),
        ...{ ...base, event_id, session_type: "admin_shell" },
      },
      ...Array.from({ length: random.int(0, 300) }, (_, n) => ({
        ...{ ...base, event_id: random.uuid(7), event_type: "command_start" },
        text: `command ${n}`,
      })),
      ...(ends
        ? [
            {
              ...{
                ...base,
                event_id: random.uuid(7),
                event_type: "session_end",
              },
              ...{ end_source: "observed", exit_code: 0, signal: null },
            },
          ]
        : []),
    ];
    for (const event of events) world.sent.set(event.event_id, false);
    for (let times = random.int(1, 2); times > 0; times--) {
      const result = await this.call("track_events", {
        sent_at: now.toISOString(),
        events,
      });
      const results = (result?.["results"] ?? []) as {
        event_id: string;
        status: string;
        error: string;
      }[];
      if (results.length === 0) return this.refused(result);
      for (const { event_id: id, status, error } of results)
        if (status === "rejected") world.blame(`rejected ${id}: ${error}`);
        else world.sent.set(id, true);
      world.told.set(session_id, { ended: ends, ending: ends });
    }
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
      ...{ timestamp: new Date().toISOString(), event_version: "2.0" },
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
  private refused(result: Record<string, unknown> | null): void {
    this.world.count("refused");
    if (!result) return;
    if (/internal error|\n\s+at /.test(JSON.stringify(result)))
      this.world.blame(`no sentence of ours: ${JSON.stringify(result)}`);
  }

  /** @returns null when it was not answered: the server is gone, or is not there */
  private async call(
    name: string,
    args: object,
  ): Promise<Record<string, unknown> | null> {
    const { world } = this;
    const message = {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name, arguments: args },
    };
    if (this.port === "auto") return null;
    world.count("calls");
    try {
      const response = await fetch(this.url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(message),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const { result, error } = (await response.json()) as {
        result?: {
          structuredContent?: Record<string, unknown>;
          content?: unknown;
        };
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
