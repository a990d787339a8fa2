/** `session-buddy emit command`: records a command that ran in a session. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { redactionOf, validSettings } from "../../config/load.ts";
import { boundText } from "../../model/event.ts";
import { fail } from "../../model/failure.ts";
import { parseExitStatus, parseSeconds } from "../../model/time.ts";
import { EVERY_RULE } from "../../model/redaction/custom.ts";
import { emit } from "../../record/emit.ts";

export default defineCommand({
  description: `Records a command that ran in a session, just now.

It is one that emit start began, or one that is wrapped. Secrets are taken out
of the text before it is written.

EXAMPLE
  session-buddy emit command "$id" 'make test' --exit-code 2 --duration 12.5`,
  args: {
    id: { type: "positional", description: "The session's whole id" },
    text: { type: "positional", description: "The command, as one word" },
    "exit-code": {
      type: "string",
      valueHint: "number",
      description: "Its exit status; unknown when left out",
    },
    duration: {
      type: "string",
      valueHint: "seconds",
      description: "How long it took until now (default: 0)",
    },
    cwd: {
      type: "string",
      valueHint: "folder",
      description: "Where it ran; unknown when left out",
    },
    config: CONFIG_FLAG,
  },
  async run({ id, text: given, "exit-code": exit, duration, cwd, config }) {
    if (id === undefined || !given)
      throw fail.usage(
        "emit command needs an id and a text",
        `try: emit command "$id" 'make test'`,
      );
    const exit_code =
      exit === undefined ? null : parseExitStatus(exit, "--exit-code");
    const duration_ms = parseSeconds(duration ?? "0", "--duration");
    const settings = await validSettings(process.env, config);
    const redaction = redactionOf(settings) ?? EVERY_RULE;
    const ended = Date.now();
    const { text, cut_bytes } = boundText(given);
    const common = {
      // Each is the first of a shell of its own, as far as anybody can tell.
      ...{ seq: 1, pid: process.pid, shell_started_us: ended * 1_000 },
      cwd: cwd ?? null,
    };
    emit({ ...settings, redaction }, id, [
      {
        ...{ event_type: "command_start", ...common, text },
        ...(cut_bytes > 0 && { truncated_bytes: cut_bytes }),
        timestamp: new Date(ended - duration_ms).toISOString(),
      },
      {
        ...{ event_type: "command_end", ...common, exit_code, duration_ms },
        timestamp: new Date(ended).toISOString(),
      },
    ]);
  },
});
