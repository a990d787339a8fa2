/** hand_over: what the next shift has to know. */
import { failures } from "./failures.ts";
import { HOST, RECORDED, USER, given, prompt } from "./prompt.ts";

const SHIFT = "-8h";
const MAX_ROWS = 100;

export const handOver = prompt({
  name: "hand_over",
  title: "Hand over a shift",
  description:
    "What the next shift has to know: what was worked on, what is still going on, what failed and is not put right, and what people noted.",
  takes: {
    since: {
      description: `When the shift began: a time as the tools take it; '${SHIFT}' when left out`,
    },
    host: HOST,
    user: USER,
  },
  async make({ since = SHIFT, host, user }, ask) {
    const of = given({ host, user });
    const during = { ...of, during: `${since}..` };
    const [sums, active, recent, notes, failed] = [
      await ask("session_stats", during),
      await ask("list_sessions", { ...of, active: true, limit: MAX_ROWS }),
      await ask("list_sessions", { ...during, limit: MAX_ROWS }),
      await ask("list_events", {
        ...{ kinds: ["annotation"], after: since, limit: MAX_ROWS },
      }),
      await failures(ask, { since, until: "now", ...of }),
    ];
    return {
      question: `Write the hand-over of the shift since ${since}.

Enclosed are sums.json (how many sessions, how they ended), active.json (who is still in), sessions.json (the sessions of the shift, newest first), notes.json (what people noted, of all hosts and users) and failures.json (what failed). Write for somebody who starts now: first what is broken or unfinished and who knows about it, then what is still running, then what was done, each with host, user and time; a line for what can be forgotten. Follow up with get_session what matters. Name sessions by their ids.

${RECORDED}`,
      enclosed: [
        { name: "sums.json", value: sums },
        { name: "active.json", value: active },
        { name: "sessions.json", value: recent },
        { name: "notes.json", value: notes },
        { name: "failures.json", value: failed },
      ],
    };
  },
});
