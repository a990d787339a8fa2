/** The screen of a session, as a server sends it while it runs: lines of a cast. */
import {
  Failure,
  type FailureCode,
  EXIT_STATUS,
  fail,
  fetchReason,
} from "../../model/failure.ts";
import { DIRECT } from "./client.ts";

/** No line of ours is longer: a screen of the largest terminal, or a block. */
const MOST_LINE = 16 * 1024 * 1024;

export interface CastServer {
  /** `https://host/mcp`. */
  url: string;
  token: string | null;
}

/**
 * @param gone ends it
 * @yields each line, parsed: the header, then events
 * @throws Failure when the server refuses, or is away
 */
export async function* followCast(
  { url, token }: CastServer,
  session_id: string,
  gone: AbortSignal,
): AsyncGenerator<unknown> {
  const path = `/recordings/${session_id}.cast?follow`;
  const address = `${url.replace(/\/mcp\/?$/, "")}${path}`;
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  let rest = "";
  try {
    const response = await fetch(address, {
      ...{ headers, signal: gone, redirect: "error", timeout: false },
      ...DIRECT,
    } as RequestInit);
    if (!response.ok) throw await refusalOf(response);
    const decoder = new TextDecoder();
    for await (const bytes of response.body!) {
      rest += decoder.decode(bytes, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop()!;
      for (const line of lines) yield JSON.parse(line);
      if (rest.length > MOST_LINE) throw new Error("a line has no end");
    }
  } catch (error) {
    if (gone.aborted) return;
    if (error instanceof Failure) throw error;
    throw fail.unreachable(
      `the server sends no more: ${fetchReason(error)}`,
      "see: session-buddy mcp status",
      { cause: error },
    );
  }
}

async function refusalOf(response: Response): Promise<Failure> {
  let error: { code?: unknown; message?: unknown } = {};
  try {
    ({ error } = (await response.json()) as { error: typeof error });
  } catch {
    // Something else answers there.
  }
  const { code, message } = Object(error) as typeof error;
  if (typeof message !== "string")
    return fail.unreachable(
      `the server answers with status ${response.status}, and says nothing`,
      "an older one has no recordings",
    );
  const known = typeof code === "string" && Object.hasOwn(EXIT_STATUS, code);
  return new Failure(known ? (code as FailureCode) : "refused", message);
}
