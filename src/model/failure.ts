/**
 * Failures: one class with a code, a sentence and a hint what to do. The code is
 * mapped here, once, to an exit status, an HTTP status and a JSON-RPC code; any
 * other error is internal and says so.
 */

const INVALID_REQUEST = -32600;
const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;
/** What JSON-RPC leaves to servers; MCP gives the codes from -32001 on meanings of its own. */
const SERVER_ERROR = -32000;

/** Exit status (sysexits' 64 for usage), HTTP status and JSON-RPC code of each. */
const CODES = {
  not_found: [1, 404, INVALID_PARAMS],
  /** It was there. */
  gone: [1, 410, INVALID_PARAMS],
  ambiguous: [1, 409, INVALID_PARAMS],
  storage: [1, 500, INTERNAL_ERROR],
  /** The port that a server wants belongs to another program. */
  port_taken: [1, 500, INTERNAL_ERROR],
  /** A request that the server's contract refuses. */
  refused: [1, 400, INVALID_REQUEST],
  /** The server is of an older version, and does not know what it was asked. */
  outdated: [1, 400, INVALID_REQUEST],
  /** The server is not there, or went away within a request. */
  unreachable: [2, 502, SERVER_ERROR],
  already_running: [3, 500, INTERNAL_ERROR],
  unhealthy: [4, 503, SERVER_ERROR],
  config: [5, 500, INTERNAL_ERROR],
  permission: [6, 403, SERVER_ERROR],
  /** The server wants a token, or another one. */
  unauthorized: [6, 401, SERVER_ERROR],
  overloaded: [7, 503, SERVER_ERROR],
  timeout: [7, 504, SERVER_ERROR],
  usage: [64, 400, INVALID_PARAMS],
  recording: [125, 500, INTERNAL_ERROR],
  /** The command to wrap is there but does not start. */
  cannot_run: [126, 500, INTERNAL_ERROR],
  no_program: [127, 500, INTERNAL_ERROR],
} as const;

export type FailureCode = keyof typeof CODES;

export const EXIT_STATUS = Object.fromEntries(
  Object.entries(CODES).map(([code, [exit]]) => [code, exit]),
) as { [C in FailureCode]: (typeof CODES)[C][0] };

export class Failure extends Error {
  override readonly name = "Failure";

  /**
   * @param code what kind of failure, and so which exit status
   * @param sentence what happened and why, without a full stop
   * @param hint what to do next: a command, a setting, a path
   */
  constructor(
    readonly code: FailureCode,
    readonly sentence: string,
    readonly hint?: string,
    options?: ErrorOptions,
  ) {
    super(hint ? `${sentence} (${hint})` : sentence, options);
  }

  get exitStatus(): number {
    return CODES[this.code][0];
  }

  get httpStatus(): number {
    return CODES[this.code][1];
  }

  get rpcCode(): number {
    return CODES[this.code][2];
  }
}

/** Makes a failure of a code: `fail.usage(sentence, hint)`. */
export const fail = Object.fromEntries(
  Object.keys(CODES).map((code) => [
    code,
    (...given: [sentence: string, hint?: string, options?: ErrorOptions]) =>
      new Failure(code as FailureCode, ...given),
  ]),
) as Record<
  FailureCode,
  (sentence: string, hint?: string, options?: ErrorOptions) => Failure
>;

/** Of work that whoever asked for it has left. */
export const nobodyWaits = () =>
  fail.unreachable("nobody waits for the answer any more");

/** A server that has too much to do just now. */
export class Overloaded extends Failure {
  /** @param retry_after_ms how long it asks to be left alone; null when it does not say */
  constructor(
    sentence: string,
    readonly retry_after_ms: number | null,
  ) {
    super("overloaded", sentence, "try again in a moment");
  }
}

/**
 * A store took all events but these, and never will take them as it is: an
 * older server, or one with other rules.
 */
export class Rejected extends Failure {
  /**
   * @param reasons event_id → what the store says against it
   * @param stored the ids of those that were new
   */
  constructor(
    readonly reasons: ReadonlyMap<string, string>,
    readonly stored: ReadonlySet<string>,
  ) {
    const [first] = reasons;
    super(
      "refused",
      `the server rejects ${reasons.size} events, the first is ${first?.join(": ")}`,
      "a newer server may take them",
    );
  }
}

/** Tells the user one sentence beside the result. */
export type Warn = (sentence: string) => void;

/** Not a failure: the reader of our output is gone. Stop, tidy up, end with 0. */
export class OutputClosed extends Error {}

/** The errno name of a system error (`ENOSPC`), or null when it carries none. */
export function errnoOf(error: unknown): string | null {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : null;
}

/** What an unknown error says of itself, on one line. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0] ?? "";
}

/** Whether fetch was ended by `AbortSignal.timeout`. */
export const isTimeout = (error: unknown): boolean =>
  (error as { name?: unknown } | null)?.name === "TimeoutError";

/** What an error of fetch says of itself, without the runtime's advice to programmers. */
export const fetchReason = (error: unknown): string =>
  reasonOf(error)
    .replace(/( fetching "[^"]*")?\. For more information,.*$/, "")
    .replace(/\. Is the computer able to access the url\?$/, "");
