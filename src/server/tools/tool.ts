/**
 * Defines a tool: one file of this folder each. Lists, schemas, hints, policy, limits,
 * metrics and log are made from it, whoever calls it.
 */
import { z } from "zod";
import type { KeptAlert } from "../../model/alert.ts";
import type { Access, TokenIdentity } from "../../auth/authorize.ts";
import type { Provenance } from "../../model/reporter.ts";
import type { SessionStore } from "../../model/store.ts";
import { inWords } from "../../model/words.ts";
import type { Recorder } from "./recorder.ts";
import type { CallCount } from "./telemetry.ts";

/** What the tools of one server work with. */
export interface ToolServer {
  store: SessionStore;
  /** The same store, to record in. */
  recorder: Recorder;
  /** The folder where wrapped sessions of this host are written. */
  spool: string;
  /** Within how many seconds a remote session's next sign of life must come. */
  lease_seconds: number;
  /** The alerts that it keeps, oldest first. @throws Failure (permission) */
  alerts: () => Promise<readonly KeptAlert[]>;
  /** Each part of the server by its name; nothing private in it. */
  health: () => { healthy: boolean; checks: Record<string, "ok" | "failed"> };
}

/** One call, beside its arguments. */
export interface Call {
  caller: Caller;
  /** Who reports, if it records something. */
  from: Provenance;
  /** When it came, milliseconds since the epoch. */
  received_ms: number;
}

type Run<Args, Result> = (args: Args, call: Call) => Promise<Result> | Result;

interface Definition<I extends z.ZodObject, Result extends object> {
  name: string;
  title: string;
  /** When to use it, and an example: for people and for agents. */
  description: string;
  /** A read-only server leaves out those that record. */
  access: Exclude<Access, "protocol">;
  /** What the same call once more is: `same` when left out, it changes nothing. */
  again?: "same" | "more";
  /** A tool that records takes a `token` beside it. */
  input: I;
  output: z.ZodType;
  /** Of a request's body; the server's own bound when left out. */
  max_body_bytes?: number;
  /** Begins the work for one server; what is kept between calls is its own. */
  run(server: ToolServer): Run<z.output<I>, Result>;
  /** What the metrics count of a call; null when it failed. */
  count?(args: z.output<I>, result: Result | null): CallCount;
  /** For clients that look for a failure in the result. */
  failed?: {
    /** How the sentence begins. */
    sentence: string;
    /** What the result repeats, so that they know which call it answers. */
    sent(args: z.output<I>): object;
  };
}

export interface Tool extends Definition<z.ZodObject, object> {
  /** Checks arguments: as the tool takes them, or what is wrong in words. */
  parse(args: unknown): { args: object } | { problem: string };
}

const token = z
  .string()
  .nullish()
  .describe(
    "A bearer token, for clients that cannot send an Authorization header; never stored",
  );

/** Built once, when its file is loaded: an MCP server is made for every request. */
export function tool<I extends z.ZodObject, Result extends object>(
  definition: Definition<I, Result>,
): Tool {
  const { access, input: given } = definition;
  const input = access === "record" ? given.extend({ token }) : given;
  return { ...definition, input, parse: parserOf(input) } as unknown as Tool;
}

/** A client that sends all that it has sends null for what may be left out. */
function parserOf(input: z.ZodObject): Tool["parse"] {
  const optional = Object.keys(input.shape).filter((name) => {
    const { success: without } = input.shape[name]!.safeParse(undefined);
    return without && !input.shape[name]!.safeParse(null).success;
  });
  return (args) => {
    const read = input.safeParse(withoutNull(args, optional));
    return read.success
      ? { args: read.data }
      : { problem: inWords(read.error.issues, args) };
  };
}

function withoutNull(value: unknown, names: readonly string[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  const given = value as Record<string, unknown>;
  const nulls = names.filter((name) => given[name] === null);
  if (nulls.length === 0) return value;
  return Object.fromEntries(
    Object.entries(given).filter(([name]) => !nulls.includes(name)),
  );
}

/**
 * The other end of a request, as the server found it out before any tool runs;
 * nothing in it is what the client said.
 */
export interface Caller {
  via: "tcp" | "socket" | "stdio";
  /** The peer's user on this host; null when it cannot be told, or is another host. */
  uid: number | null;
  /** The peer's address, without its port. */
  address: string | null;
  /** Came from this host. */
  loopback: boolean;
  /** What the Authorization header proved; null when there was none, or no secret is set. */
  token: TokenIdentity | null;
  request_id: string;
  /** Which command of ours asks, over the socket; left out for everybody else. */
  command?: string;
  /** Aborted when it does not wait for the answer any more. */
  gone?: AbortSignal;
}
