/**
 * What the log is told of the tools' work: each call that failed, for whoever
 * looks why a session is not there.
 */
import type { Log } from "../log.ts";
import { Failure, reasonOf } from "../model/failure.ts";
import type { Caller } from "./caller.ts";

/** Hears of failed calls; what the caller can mend is a warning. */
export const failedCalls =
  (log: Log) =>
  (error: unknown, tool: string, { request_id }: Caller): void => {
    const said = { request_id, tool, reason: reasonOf(error) };
    if (!(error instanceof Failure) || error.code === "storage")
      log.error("tool_failed", said);
    // Too much at once is said of the request, in the answer's status.
    else if (error.code !== "overloaded") log.warn("tool_refused", said);
  };
