/**
 * Everything that can go wrong on purpose: one class, a code, one sentence, and
 * the mend. The code is mapped here once: to an exit status, to an HTTP status
 * and to a JSON-RPC code; any other error is internal and says so.
 */

/** Exit status of each kind of failure; sysexits' 64 for usage. */
export const EXIT_STATUS = {
  not_found: 1,
  ambiguous: 1,
  storage: 1,
  /** The port that a server wants belongs to another program. */
  port_taken: 1,
  /** A request that the server's contract refuses. */
  refused: 1,
  /** The server is not there, or went away within a request. */
  unreachable: 2,
  already_running: 3,
  unhealthy: 4,
  config: 5,
  permission: 6,
  /** The server wants a token, or another one. */
  unauthorized: 6,
  /** The server has too much to do just now. */
  overloaded: 7,
  timeout: 7,
  usage: 64,
  recording: 125,
  /** The command to wrap is there but does not start. */
  cannot_run: 126,
  no_program: 127,
} as const;

export type FailureCode = keyof typeof EXIT_STATUS;

/** HTTP status of each kind of failure, when a server meets it. */
export const HTTP_STATUS = {
  not_found: 404,
  ambiguous: 409,
  storage: 500,
  port_taken: 500,
  refused: 400,
  unreachable: 502,
  already_running: 500,
  unhealthy: 503,
  config: 500,
  permission: 403,
  unauthorized: 401,
  overloaded: 503,
  timeout: 504,
  usage: 400,
  recording: 500,
  cannot_run: 500,
  no_program: 500,
} as const satisfies Record<FailureCode, number>;

const INVALID_REQUEST = -32600;
const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;
/** What JSON-RPC leaves to servers; MCP gives the codes from -32001 on meanings of its own. */
const SERVER_ERROR = -32000;

/** JSON-RPC code of each kind of failure. */
export const RPC_CODE = {
  not_found: INVALID_PARAMS,
  ambiguous: INVALID_PARAMS,
  storage: INTERNAL_ERROR,
  port_taken: INTERNAL_ERROR,
  refused: INVALID_REQUEST,
  unreachable: SERVER_ERROR,
  already_running: INTERNAL_ERROR,
  unhealthy: SERVER_ERROR,
  config: INTERNAL_ERROR,
  permission: SERVER_ERROR,
  unauthorized: SERVER_ERROR,
  overloaded: SERVER_ERROR,
  timeout: SERVER_ERROR,
  usage: INVALID_PARAMS,
  recording: INTERNAL_ERROR,
  cannot_run: INTERNAL_ERROR,
  no_program: INTERNAL_ERROR,
} as const satisfies Record<FailureCode, number>;

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
    return EXIT_STATUS[this.code];
  }

  get httpStatus(): number {
    return HTTP_STATUS[this.code];
  }

  get rpcCode(): number {
    return RPC_CODE[this.code];
  }
}

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
