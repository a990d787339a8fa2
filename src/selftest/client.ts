/**
 * An MCP client over HTTP, as others write it: it says hello, asks for the tools and
 * calls them, with a token.
 */
import { errnoOf, fail, reasonOf } from "../model/failure.ts";

const REVISION = "2025-06-18";
const ANSWER_MS = 10_000;

interface Answer {
  result?: Record<string, unknown>;
  error?: { message: string };
}

export class Client {
  private calls = 0;

  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  /** @returns the revision that both speak, and who answers */
  async hello(): Promise<{ protocolVersion: string; server: string }> {
    const { protocolVersion, serverInfo } = (await this.ask("initialize", {
      protocolVersion: REVISION,
      capabilities: {},
      clientInfo: { name: "session-buddy selftest", version: "1" },
    })) as { protocolVersion: string; serverInfo: { name: string } };
    await this.post({ jsonrpc: "2.0", method: "notifications/initialized" });
    return { protocolVersion, server: serverInfo.name };
  }

  async tools(): Promise<string[]> {
    const { tools } = (await this.ask("tools/list", {})) as {
      tools: { name: string }[];
    };
    return tools.map(({ name }) => name);
  }

  /** @throws Failure (unhealthy) when the tool says that it failed */
  async call(
    name: string,
    args: Record<string, unknown>,
  ): Promise<Record<string, unknown>> {
    const result = await this.ask("tools/call", { name, arguments: args });
    const { structuredContent, isError } = result as {
      structuredContent?: Record<string, unknown>;
      isError?: boolean;
    };
    const said = structuredContent?.["error"];
    if (structuredContent && !isError && !said) return structuredContent;
    throw unexpected(`the tool ${name} answered: ${JSON.stringify(result)}`);
  }

  private async ask(method: string, params: object) {
    const id = ++this.calls;
    const response = await this.post({ jsonrpc: "2.0", id, method, params });
    const text = await response.text();
    if (response.status !== 200)
      throw unexpected(`${method}: status ${response.status}, ${text}`);
    const { result, error } = JSON.parse(text) as Answer;
    if (result) return result;
    throw unexpected(`${method}: ${error?.message ?? text}`);
  }

  /** @param token null: none is sent */
  post(message: object, token: string | null = this.token): Promise<Response> {
    return request(this.url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-protocol-version": REVISION,
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(message),
    });
  }
}

/**
 * Asks an address of this host, whatever HTTP_PROXY says.
 * @throws Failure (unhealthy) when nobody answers
 */
export async function request(
  url: string,
  init: RequestInit = {},
): Promise<Response> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const proxy = false as unknown as string;
  try {
    return await fetch(url, { ...init, signal, proxy });
  } catch (error) {
    throw fail.unhealthy(
      `${url} does not answer: ${errnoOf(error) ?? reasonOf(error)}`,
      "check that this host reaches itself at 127.0.0.1 (ip address show lo)",
      { cause: error },
    );
  }
}

export const unexpected = (what: string) =>
  fail.unhealthy(what, "see: session-buddy doctor; then report it with this");
