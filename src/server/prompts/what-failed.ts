/** what_failed: the commands and the sessions that failed in a span of time, and why. */
import { failures } from "./failures.ts";
import {
  HOST,
  RECORDED,
  SINCE_LAST_NIGHT,
  USER,
  given,
  prompt,
} from "./prompt.ts";

export const whatFailed = prompt({
  name: "what_failed",
  title: "What failed",
  description:
    "What failed last night, or in another span of time, and why: the commands that failed and the sessions that broke off or ended badly.",
  takes: {
    since: {
      description: `From when on: a time as the tools take it; '${SINCE_LAST_NIGHT}' when left out`,
    },
    until: { description: "Until when; now when left out" },
    host: HOST,
    user: USER,
  },
  async make({ since = SINCE_LAST_NIGHT, until = "now", host, user }, ask) {
    const found = await failures(ask, {
      since,
      until,
      ...given({ host, user }),
    });
    return {
      question: `What failed in the recorded shells from ${since} until ${until}, and why?

failures.json has the commands that failed (newest first) and the sessions in which that was, or which were lost or ended with a failure. Group what belongs together, say who did it where and when, and what came of it: whether it was tried again and worked. Then look into what matters with get_session: what ran before a failure and in which folder mostly says why. list_commands and search find the same elsewhere. Exit status 127 is a command that was not found, 126 one that could not be run, 130 one that somebody interrupted, 128 + n one that signal n ended. Where a terminal was recorded search with in: output finds what it showed, and query_sessions over the view output the lines around it. Say plainly what the record does not tell.

${RECORDED}`,
      enclosed: [{ name: "failures.json", value: found }],
    };
  },
});
