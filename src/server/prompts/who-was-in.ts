/** who_was_in: who was on a host at a moment, and what each was doing. */
import { HOST, RECORDED, given, prompt } from "./prompt.ts";

export const whoWasIn = prompt({
  name: "who_was_in",
  title: "Who was in at a time",
  description:
    "Who was in at a moment, on which host, what each was doing then, and what failed around it.",
  takes: {
    time: {
      description: "The moment: 'yesterday 14:05', 2026-02-06T14:05, -2h",
      required: true,
    },
    host: HOST,
    around: {
      description:
        "How long before and after it failures count; 30m when left out",
    },
  },
  async make({ time, host, around }, ask) {
    const found = await ask("who_at", given({ time, host, around }));
    return {
      question: `Who was in at ${time}${host === undefined ? "" : ` on ${host}`}, what was each doing, and what failed around it?

who-at.json has each session that had begun by then and not ended: doing is the command that ran at the moment (its end_time is null or later) or the last one before it, failed are the commands that failed around it. Say who, from where to where in time, with which shell or tool, and doing what; put first who is likely to have to do with a failure. get_session tells more of one of them. attested says how host and user are known: 'claimed' is what a client said of itself.

${RECORDED}`,
      enclosed: [{ name: "who-at.json", value: found }],
    };
  },
});
