/**
 * `PUT /recordings/SESSION?offset=N`: a piece of a recording that another host brings.
 * The answer says how much of it is there, and how much it will be: one that stands
 * elsewhere than where that ends changes nothing, and an empty one asks.
 */
import {
  Failure,
  type FailureCode,
  Overloaded,
  fail,
} from "../../model/failure.ts";
import type { Provenance } from "../../model/reporter.ts";
import { provenanceOf } from "../tools/provenance.ts";
import type { Caller } from "../tools/tool.ts";
import { errorResponse } from "./error-response.ts";
import type { Guard } from "./guard.ts";
import type { Arrival } from "./listener.ts";
import { PIECE } from "./routes.ts";

export interface TakesRecordings {
  /** @throws Failure */
  take(
    session_id: string,
    offset: number,
    piece: Uint8Array,
    from: Provenance,
  ): Promise<object>;
}

const ADDRESS = /\/recordings\/([^/?#]+)(?:\?offset=(\d{1,15}))?$/;
/**
 * What the host tells apart: of a recording nothing is told yet (which is another status
 * than that of a server without this route), or it will never be taken.
 */
const STATUS: Partial<Record<FailureCode, number>> = {
  ...{ not_found: 409, refused: 422 },
};
const READ_ONLY_MS = 60_000;

export async function putRecording(
  { target, request, body }: Arrival,
  guard: Guard,
  caller: Caller,
  { received, readOnly }: { received: TakesRecordings; readOnly: boolean },
): Promise<Response> {
  if (readOnly)
    return failed(
      new Overloaded("the server was started with --read-only", READ_ONLY_MS),
    );
  const [, session_id, offset = "0"] = ADDRESS.exec(target) ?? [];
  if (session_id === undefined)
    throw fail.refused(
      "the address of a piece is not understood",
      "it is /recordings/SESSION?offset=BYTES",
    );
  const source = { headers: request.headers, body };
  const piece = await guard.piece(source);
  if (piece instanceof Response) return piece;
  const from = provenanceOf(caller, caller.token);
  try {
    return Response.json(
      await received.take(session_id, Number(offset), piece, from),
    );
  } catch (error) {
    if (error instanceof Failure) return failed(error);
    throw error;
  }
}

function failed(failure: Failure): Response {
  const status = STATUS[failure.code];
  return errorResponse(failure, PIECE, {
    ...(status !== undefined && { status }),
  });
}
