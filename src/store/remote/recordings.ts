/** Brings a recording to a server, piece by piece, each by one PUT. */
import {
  Failure,
  Overloaded,
  fail,
  fetchReason,
  isTimeout,
} from "../../model/failure.ts";
import { DIRECT, bodyOf, retryAfterMs } from "./client.ts";

/** How much of a recording the server has, and will have. */
export interface Progress {
  bytes: number;
  of: number;
  sha256: string;
}

const ANSWER_MS = 60_000;

/** Where a recording goes: beside the MCP endpoint. */
export interface RecordingTarget {
  /** The endpoint. */
  url: string;
  /** The bearer of this moment; null when the server wants none. */
  token: () => Promise<string | null>;
}

/** The server will not take it, whenever it is brought. */
export class RecordingRefused extends Error {}
/** It knows of none yet. */
export class RecordingUnknown extends Error {}

/**
 * Sends a piece, or asks by an empty one.
 * @param offset where in the recording it stands
 * @throws RecordingRefused, RecordingUnknown; Failure (outdated, unreachable, timeout,
 *   unauthorized, overloaded, refused) as for any call
 */
export async function putPiece(
  { url, token }: RecordingTarget,
  session_id: string,
  offset: number,
  piece: Uint8Array,
): Promise<Progress> {
  const name = `the server at ${url}`;
  const bearer = await token();
  let response: Response;
  let text: string;
  try {
    response = await fetch(
      new URL(`recordings/${session_id}?offset=${offset}`, url),
      {
        method: "PUT",
        headers: {
          "content-type": "application/octet-stream",
          ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        },
        body: piece,
        redirect: "error",
        ...(url.startsWith("http:") ? DIRECT : {}),
        signal: AbortSignal.timeout(ANSWER_MS),
      },
    );
    text = await bodyOf(response);
  } catch (error) {
    if (isTimeout(error))
      throw fail.timeout(
        `${name} did not take a piece of a recording within ${ANSWER_MS / 1000} s`,
        "look how it is, on its host: session-buddy mcp health",
        { cause: error },
      );
    throw fail.unreachable(
      `${name} cannot be reached: ${fetchReason(error)}`,
      "recordings wait on this host",
      { cause: error },
    );
  }
  const { status, headers } = response;
  const { bytes, of, sha256, error } = parsed(text);
  if (
    status === 200 &&
    isCount(bytes) &&
    isCount(of) &&
    typeof sha256 === "string"
  )
    return { bytes, of, sha256 };
  const said = error?.message ?? `status ${status}`;
  switch (status) {
    case 422:
      throw new RecordingRefused(said);
    case 409:
      throw new RecordingUnknown(said);
    case 401:
      throw fail.unauthorized(
        `${name} wants another token: ${said}`,
        "see auth.token_file",
      );
    case 403:
      throw fail.permission(said);
    case 404:
    case 405:
      throw fail.outdated(
        `${name} is older than this session-buddy and takes no recordings`,
        "bring it up to this version on its host, or set delivery.recordings to off",
      );
    case 429:
    case 503:
    case 507:
      throw new Overloaded(
        said,
        retryAfterMs(headers.get("retry-after"), Date.now()),
      );
    default:
      throw status >= 500 && status !== 500
        ? fail.unreachable(
            `${name} cannot be reached: status ${status}`,
            "recordings wait on this host",
          )
        : new Failure("storage", `${name} failed at a recording: ${said}`);
  }
}

interface Answer {
  bytes?: unknown;
  of?: unknown;
  sha256?: unknown;
  error?: { message?: string };
}

function parsed(text: string): Answer {
  try {
    return Object(JSON.parse(text)) as Answer;
  } catch {
    // No JSON: a proxy's page, say.
    return {};
  }
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;
