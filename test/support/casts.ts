/** A cast as it comes over HTTP: its lines, and what a screen of it shows. */
import { Screen } from "../../src/model/recording/screen.ts";
import { Parser } from "../../src/model/recording/sequences.ts";
import { until } from "./wait.ts";

export type CastEvent = [seconds: number, code: string, data: string];

export interface CastHeader {
  version: number;
  term: { cols: number; rows: number; type?: string };
  timestamp: number;
}

/** Reads what a server sends for as long as it does. */
export class CastClient implements AsyncDisposable {
  header: CastHeader | null = null;
  readonly events: CastEvent[] = [];
  /** Whether the server said that there is no more. */
  ended = false;
  /** That it broke off. */
  broken: unknown = null;
  private screen: Screen | null = null;
  private parser: Parser | null = null;

  private constructor(readonly response: Response) {}

  static async open(
    url: string,
    headers: Record<string, string> = {},
  ): Promise<CastClient> {
    const aborting = new AbortController();
    const { signal } = aborting;
    const client = new CastClient(await fetch(url, { headers, signal }));
    client.leave = () => aborting.abort();
    if (client.response.ok) void client.read();
    return client;
  }

  /** Reads no more. */
  leave = (): void => {};

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for await (const bytes of this.response.body!) {
        rest += decoder.decode(bytes, { stream: true });
        const lines = rest.split("\n");
        rest = lines.pop()!;
        for (const line of lines) this.take(JSON.parse(line));
      }
      this.ended = true;
    } catch (error) {
      this.broken = error;
    }
  }

  private take(line: unknown): void {
    if (this.header === null) {
      this.header = line as CastHeader;
      const { cols, rows } = this.header.term;
      this.screen = new Screen({ columns: cols, rows });
      this.parser = new Parser(this.screen);
      return;
    }
    const event = line as CastEvent;
    this.events.push(event);
    const [, code, data] = event;
    if (code === "o") this.parser!.write(new TextEncoder().encode(data));
    if (code !== "r") return;
    const [columns, rows] = data.split("x").map(Number);
    this.screen!.resize({ columns: columns!, rows: rows! });
  }

  /** The rows of the screen, without what is empty at its end. */
  get shown(): string {
    const rows = this.screen?.rows ?? [];
    return rows
      .map((row) => row.text().trimEnd())
      .join("\n")
      .trimEnd();
  }

  get markers(): string[] {
    return this.events.flatMap(([, code, data]) =>
      code === "m" ? [data] : [],
    );
  }

  expect(pattern: RegExp, patience_ms?: number): Promise<unknown> {
    const look = () => pattern.test(this.shown);
    return until(`${pattern} on the screen`, look, patience_ms);
  }

  over(): Promise<unknown> {
    return until("the end of the cast", () => this.ended || this.broken);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.leave();
  }
}
