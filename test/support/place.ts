/**
 * Where what was recorded is drained: alone, by the command that reads, or by
 * a server that runs meanwhile. One suite plays in both.
 */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { Injector } from "../crash/inject.ts";
import { type StoredEvent, storedEvents } from "./database.ts";
import { Sandbox } from "./sandbox.ts";
import { TestServer } from "./server.ts";

export type Setting = "alone" | "with a server";
export const SETTINGS: readonly Setting[] = ["alone", "with a server"];

let injector: Injector | null | undefined;

export class Place implements AsyncDisposable {
  readonly sandbox = new Sandbox();
  private server: TestServer | null = null;
  /** How far its log was looked at. */
  private read = 0;

  private constructor(private readonly setting: Setting) {}

  static async begin(setting: Setting): Promise<Place> {
    const place = new Place(setting);
    await place.serve();
    return place;
  }

  /**
   * One pass over the spool, by a clock that is ahead.
   * @returns what it said against what it met: to the person, or to its log
   */
  async drain(ahead_ms = 0): Promise<string> {
    const env = ahead_ms === 0 ? {} : clockAhead(ahead_ms);
    if (this.server && ahead_ms !== 0) await this.serve(env);
    const { exitCode, stderr } = await this.sandbox.run(["drain"], { env });
    expect([exitCode, this.server ? stderr : ""]).toEqual([0, ""]);
    // The server passes each second: it may have met it before it was asked to.
    const log = this.log();
    const said = this.server ? log.slice(this.read) : stderr;
    this.read = log.length;
    if (this.server && ahead_ms !== 0) await this.serve();
    return said;
  }

  /** What is in the database. */
  async stored(): Promise<StoredEvent[]> {
    await this.server?.stop();
    const events = await storedEvents(this.sandbox.database);
    await this.serve();
    return events;
  }

  /** The server's warnings and errors. */
  private log(): string {
    if (!this.server) return "";
    const [file] = new Bun.Glob(".local/state/*/*/logs/*.log").scanSync({
      ...{ cwd: this.sandbox.home, dot: true, absolute: true },
    });
    return readFileSync(file!, "utf8")
      .split("\n")
      .filter((line) => /"level":"(warn|error)"/.test(line))
      .join("\n");
  }

  private async serve(env: Record<string, string> = {}): Promise<void> {
    if (this.setting === "alone") return;
    await this.server?.stop();
    this.server = await TestServer.start(this.sandbox, { env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server?.[Symbol.asyncDispose]();
    this.sandbox[Symbol.dispose]();
  }
}

function clockAhead(ms: number): Record<string, string> {
  injector ??= Injector.build();
  if (!injector) throw new Error("needs gcc, for a clock that is ahead");
  return injector.clockAhead(ms);
}
