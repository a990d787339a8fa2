/**
 * What the log is told of the tools' work: each call that failed, for whoever
 * looks why a session is not there.
 */
import { Failure, reasonOf } from "../../model/failure.ts";
import type { Caller } from "./caller.ts";
import type { RequestLog } from "../http/request-log.ts";

/** Hears of failed calls; what the caller can mend is a warning. */
export const failedCalls =
  (log: RequestLog) =>
  (error: unknown, tool: string, caller: Caller): void => {
    const said = {
      request_id: caller.request_id,
      tool,
      reason: reasonOf(error),
    };
    if (!(error instanceof Failure) || error.code === "storage")
      log.failed("error", "tool_failed", caller, said);
    // Too much at once is said of the request, in the answer's status.
    else if (error.code !== "overloaded")
      log.failed("warn", "tool_refused", caller, said);
  };
