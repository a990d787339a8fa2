/** `session-buddy selftest`: the whole way of a session, in a home made for it. */
import { requireNotOwn } from "../../access/own-files.ts";
import { describe, loadSettings } from "../../config/load.ts";
import { run } from "../../doctor/check.ts";
import { EXIT_STATUS } from "../../model/failure.ts";
import { plainJson } from "../../model/json.ts";
import { Output, writeOutput } from "../../os/output.ts";
import { placeOf } from "../../os/place.ts";
import { phases } from "../../selftest/phases.ts";
import { World } from "../../selftest/world.ts";
import { VERSION } from "../../version.ts";
import { defineCommand, COLOR_FLAG, CONFIG_FLAG, JSON_FLAG } from "../args.ts";
import { checklist, statusOf, titleOf } from "../checklist.ts";
import { note } from "../terminal.ts";

const RESULTS = "test_results.json";

export default defineCommand({
  description: `Tests the whole way of a session, in a home made for it.

A server is started, your shell is wrapped on a terminal of its own and typed
into, an MCP client reports a session, and what the database has of all is
looked at. It takes seconds. Nothing of yours is touched, no server of yours is
asked, and all that was started ends with it. Only the result is written, as
JSON: phases, and in each its tests with status, detail and fix.
Exit status 0 when all is well, 4 when a test fails.

EXAMPLES
  session-buddy selftest
  session-buddy selftest --output /tmp/selftest.json
  session-buddy selftest --json | jq '.phases[].tests[] | select(.fix)'`,
  args: {
    output: {
      type: "string",
      alias: "o",
      default: RESULTS,
      valueHint: "file",
      description: `Where the result goes (default: ${RESULTS}; with --json nowhere)`,
    },
    json: JSON_FLAG,
    color: COLOR_FLAG,
    config: CONFIG_FLAG,
  },
  async run(args) {
    const settings = loadSettings(process.env, args.config);
    const written = !args.json || args.output !== RESULTS;
    const [problem] = settings.problems;
    const broken = problem ? await describe(problem) : null;
    const requireFree = (path: string) => {
      if (settings.paths.data !== null) requireNotOwn(settings, path);
    };
    // Before a person has waited for it.
    if (written) requirePlace(args.output, requireFree);
    const output = new Output();
    const show = await checklist(output, args);
    const report = await test();
    const text = `${plainJson(report, 2)}\n`;
    if (args.json) output.write(text);
    output.flush();
    if (written) {
      await writeOutput(args.output, requireFree, async (file) =>
        file.write(text),
      );
      note(`the results are in '${args.output}'`);
    }
    return report.status === "pass" ? 0 : EXIT_STATUS.unhealthy;

    async function test() {
      await using world = new World();
      const began = performance.now();
      const found: Record<string, Phase> = {};
      for (const [phase, steps] of Object.entries(phases(world, broken))) {
        show.title(titleOf(phase));
        const tests: Tested[] = [];
        for (const step of steps) {
          const { name, status, detail, fix } = await run(step, false);
          tests.push({ name, status, detail, fix });
          show.result(`${step.says}: ${detail}`, status === "pass", fix);
          output.flush();
        }
        found[phase] = { status: statusOf(tests), tests };
      }
      return {
        status: statusOf(Object.values(found)),
        version: VERSION,
        tested_at: new Date().toISOString(),
        duration_seconds: Math.round(performance.now() - began) / 1000,
        phases: found,
      };
    }
  },
});

/** @throws Failure when nothing can be written there */
function requirePlace(given: string, requireFree: (path: string) => void) {
  using place = placeOf(given);
  requireFree(place.path);
}

interface Tested {
  name: string;
  status: "pass" | "fail";
  detail: string;
  /** What to do; null when all is well. */
  fix: string | null;
}
interface Phase {
  status: string;
  tests: Tested[];
}
