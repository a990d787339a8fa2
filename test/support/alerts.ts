/**
 * Alerts over a real database in a folder of their own, with a clock that the test
 * turns, and a real webhook that is as well or as ill as the test wants.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Alerts } from "../../src/alerts/alerts.ts";
import { AlertBook } from "../../src/alerts/book.ts";
import { ownDocuments } from "../../src/access/documents.ts";
import type { Scope } from "../../src/alerts/scope.ts";
import { type Settings, wholeSettings } from "../../src/config/load.ts";
import { Log } from "../../src/log/log.ts";
import type { Alert, KeptAlert } from "../../src/model/alert.ts";
import type { Documents } from "../../src/model/documents.ts";
import { alertsOf } from "../../src/server/alerts.ts";
import { ensureSpool } from "../../src/spool/write.ts";
import type { KeptStore } from "../../src/model/store.ts";
import { PostgresStore } from "../../src/store/postgres/store.ts";
import { T0 } from "./events.ts";
import { type KeptPlace, type Kind } from "./stores.ts";
import { until } from "./wait.ts";

export interface Told {
  id: string;
  headers: Headers;
  body: string;
  alert: Alert;
}

/** A webhook on loopback. */
export class Receiver implements Disposable {
  readonly told: Told[] = [];
  /** What it answers; the alert counts as taken where that is 2xx. */
  answer: (told: Told) => Response | Promise<Response> = () => new Response();
  private server: Bun.Server<undefined> | null;

  constructor() {
    this.server = this.listen(0);
    this.port = this.server.port!;
  }

  readonly port: number;

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook/not-to-be-shown`;
  }

  /** What was taken, each time it was. */
  readonly taken: Told[] = [];

  /** Nobody listens any more. */
  async down(): Promise<void> {
    await this.server?.stop(true);
    this.server = null;
  }

  up(): void {
    this.server = this.listen(this.port);
  }

  [Symbol.dispose](): void {
    void this.server?.stop(true);
  }

  private listen(port: number): Bun.Server<undefined> {
    return Bun.serve({
      hostname: "127.0.0.1",
      port,
      idleTimeout: 0,
      fetch: async (request) => {
        const body = await request.text();
        const told: Told = {
          id: request.headers.get("webhook-id")!,
          headers: request.headers,
          body,
          alert: JSON.parse(body) as Alert,
        };
        this.told.push(told);
        const response = await this.answer(told);
        if (response.ok) this.taken.push(told);
        return response;
      },
    });
  }
}

export class AlertHost implements AsyncDisposable {
  readonly home = mkdtempSync(join(tmpdir(), "sb-alerts-"));
  now = T0 + 10_000;
  /** What its health says. */
  checks: Record<string, "ok" | "failed"> = { database: "ok" };
  undrained_ms = 0;
  settings!: Settings;
  store!: KeptStore;
  alerts!: Alerts;
  private place!: KeptPlace;
  documents!: Documents;

  private constructor(private readonly scope: Scope) {}

  /** @param config the section `alerts`, as YAML */
  static async start(
    kind: Kind,
    config: string,
    scope: Scope = "all",
  ): Promise<AlertHost> {
    const host = new AlertHost(scope);
    host.place = await kind.place();
    await host.open(config);
    return host;
  }

  get data(): string {
    return this.settings.paths.data!;
  }

  private async open(config: string): Promise<void> {
    const file = join(this.home, "config.yaml");
    writeFileSync(file, `alerts:\n${config.replace(/^/gm, "  ")}\n`);
    const env = { HOME: this.home, SESSION_BUDDY_CONFIG: file };
    this.settings = await wholeSettings(env);
    const [problem] = this.settings.problems;
    if (problem) throw new Error(JSON.stringify(problem));
    ensureSpool(this.data);
    this.store = await this.place.open({
      now: () => this.now,
      onCommit: () => this.alerts?.wake(),
    });
    const watched = {
      file: () => this.store,
      health: () => ({ checks: this.checks }),
      undrained_ms: () => this.undrained_ms,
    };
    const log = new Log(join(this.home, "logs"), "debug");
    const { settings } = this;
    const documents = await this.openDocuments();
    const looking = { settings, watched, log, now: () => this.now };
    const all = { documents, may: () => true };
    this.alerts = await alertsOf(looking, this.scope, all);
  }

  private async openDocuments(): Promise<Documents> {
    const { settings, store } = this;
    const term = (await store.take("alerts"))!;
    return (this.documents =
      store instanceof PostgresStore
        ? store.documents("alerts", { duty: "alerts", term })
        : ownDocuments(settings, "alerts"));
  }

  /** As a new process would go on. */
  async restart(config: string): Promise<void> {
    await this.close();
    await this.open(config);
  }

  /** The same, once somebody has changed what is kept. */
  async restartOn(
    config: string,
    change: (documents: Documents) => Promise<void>,
  ): Promise<void> {
    await this.close();
    this.store = await this.place.open();
    await change(await this.openDocuments());
    await this.store.close();
    await this.open(config);
  }

  /** The same, on another database. */
  async restartIn(kind: Kind, config: string): Promise<void> {
    await this.close();
    await this.place[Symbol.asyncDispose]();
    this.place = await kind.place();
    await this.open(config);
  }

  /** Lets it look until something is so. */
  until(what: string, look: () => unknown): Promise<unknown> {
    return until(what, async () => {
      await this.store.catchUp();
      this.alerts.tick();
      return look() as Promise<true | false>;
    });
  }

  /** Until it has looked at all that was stored, and at how things stand. */
  async looked(): Promise<void> {
    await this.store.catchUp();
    // A look that had begun before does not see what was stored since.
    await this.alerts.looked();
    await this.alerts.looked();
  }

  kept(): Promise<KeptAlert[]> {
    return new AlertBook(this.documents).read((name, reason) => {
      throw new Error(`${name}: ${reason}`);
    });
  }

  async texts(): Promise<string[]> {
    return (await this.kept()).map(({ text }) => text);
  }

  private async close(): Promise<void> {
    await this.alerts.close();
    await this.store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await this.place[Symbol.asyncDispose]();
    rmSync(this.home, { recursive: true, force: true });
  }
}
