/** `session-buddy alerts test`: tells every channel a trial alert. */
import { hostname } from "node:os";
import { defineCommand, COLOR_FLAG, CONFIG_FLAG, JSON_FLAG } from "../args.ts";
import { sender } from "../../alerts/send.ts";
import { validSettings } from "../../config/load.ts";
import { isoTime } from "../../model/clock.ts";
import { EXIT_STATUS, fail, reasonOf } from "../../model/failure.ts";
import { plainJson } from "../../model/json.ts";
import { Output } from "../../os/output.ts";
import { checklist } from "../checklist.ts";

export default defineCommand({
  description: `Tells a trial alert to the channels of the configuration, once each.

It goes out from here, as the server sends: signed, with the time that a channel
has; nothing is kept, and no server has to run. The exit status is 1 when one
could not be told. A server's own log is no channel to be tried.

EXAMPLES
  session-buddy alerts test
  session-buddy alerts test ops
  session-buddy alerts test --config /etc/session-buddy/config.yaml`,
  args: {
    channel: {
      type: "positional",
      multiple: true,
      description: "Names of channels; left out: all",
    },
    json: JSON_FLAG,
    color: COLOR_FLAG,
    config: CONFIG_FLAG,
  },
  async run({ channel: named, json, color, config }) {
    const { alerts } = await validSettings(process.env, config);
    const channels = alerts?.channels ?? {};
    const known = Object.keys(channels);
    if (known.length === 0)
      throw fail.refused(
        "the configuration has no channels",
        "see: session-buddy alerts --help",
      );
    const unknown = named.find((name) => !known.includes(name));
    if (unknown !== undefined)
      throw fail.not_found(
        `there is no channel '${unknown}'`,
        `known: ${known.join(", ")}`,
      );
    const output = new Output();
    const show = await checklist(output, { json, color });
    const send = sender(process.env);
    const results = [];
    for (const name of named.length > 0 ? named : known) {
      let error: string | null = null;
      try {
        await send(channels[name]!, trial(), new AbortController().signal);
      } catch (thrown) {
        error = reasonOf(thrown);
      }
      results.push({ channel: name, told: error === null, error });
      show.result(
        error === null ? name : `${name}: ${error}`,
        error === null,
        null,
      );
    }
    if (json) output.write(`${plainJson(results, 2)}\n`);
    output.flush();
    return results.every(({ told }) => told) ? 0 : EXIT_STATUS.refused;
  },
});

const trial = () => ({
  id: Bun.randomUUIDv7(),
  time: isoTime(Date.now()),
  rule: "test",
  kind: "test" as const,
  text: `a trial alert from ${hostname()}`,
  session: null,
  details: {},
});
