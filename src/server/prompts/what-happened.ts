/** what_happened: what one session did. */
import { RECORDED, given, prompt } from "./prompt.ts";

export const whatHappened = prompt({
  name: "what_happened",
  title: "What a session did",
  description:
    "What one session did, from its beginning to its end: told in a few sentences, with what failed and what was changed.",
  takes: {
    session_id: {
      description:
        "A session's id, a unique beginning of one, its last 8 hex, or its name",
      required: true,
      names: "session",
    },
  },
  async make({ session_id }, ask) {
    const found = await ask("get_session", given({ session_id }));
    return {
      question: `What did session ${session_id} do?

session.json has the session with its commands (newest last) and what people noted on it. Tell it in the order in which it happened: who, where, what for (reason, notes), what was done and what was changed on the system, what failed and whether it was put right, how it ended. Name commands by their text and time. A text is null where the shell kept it to itself, or it was withheld or removed (mark says which). Output of commands is not recorded: do not guess it.

${RECORDED}`,
      enclosed: [{ name: "session.json", value: found }],
    };
  },
});
