/** `session-buddy doctor`: checks the installation. */
import { defineCommand, COLOR_FLAG, CONFIG_FLAG, JSON_FLAG } from "../args.ts";
import { NO_HOME, describe, loadSettings } from "../../config/load.ts";
import { type Check, type CheckResult, run } from "../../doctor/check.ts";
import { databaseChecks } from "../../doctor/database.ts";
import { environmentChecks } from "../../doctor/environment.ts";
import { serverChecks } from "../../doctor/server.ts";
import { shellChecks } from "../../doctor/shell.ts";
import { EXIT_STATUS } from "../../model/failure.ts";
import { Output } from "../../os/output.ts";
import { isTerminal } from "../../os/proc.ts";
import { marked } from "../../render/marked.ts";
import { plainJson } from "../../model/json.ts";
import { personConsole, wantsColor } from "../terminal.ts";
import { VERSION } from "../../version.ts";

export default defineCommand({
  description: `Checks the installation, and says how to mend what is wrong.

It looks at environment, configuration, server, spool and database.
Exit status 0 when all is well, 4 when a check fails.

EXAMPLES
  session-buddy doctor
  session-buddy doctor --json | jq '.phases[].tests[] | select(.fix)'
  session-buddy doctor --fix`,
  args: {
    json: JSON_FLAG,
    fix: {
      type: "boolean",
      description: "Mend what can be mended without harm",
    },
    color: COLOR_FLAG,
    config: CONFIG_FLAG,
  },
  async run(args) {
    const settings = loadSettings(process.env, args.config);
    const phases: Record<string, (s: typeof settings) => Check[]> = {
      environment_setup: environmentChecks,
      session_buddy_server: serverChecks,
      admin_shell: shellChecks,
      database_verification: databaseChecks,
    };
    const homeless = settings.paths.data === null ? [HOME] : null;
    const output = new Output();
    const show = await shower(output, args);
    const found: Record<string, { status: string; tests: CheckResult[] }> = {};
    for (const [phase, checks] of Object.entries(phases)) {
      show.title(titleOf(phase));
      const tests: CheckResult[] = [];
      for (const check of homeless ?? checks(settings)) {
        const result = await run(check, args.fix);
        tests.push(result);
        show.result(result);
      }
      output.flush();
      found[phase] = { status: statusOf(tests), tests };
    }
    const status = statusOf(Object.values(found));
    const report = { status, version: VERSION, phases: found };
    if (args.json) output.write(`${plainJson(report, 2)}\n`);
    output.flush();
    return status === "pass" ? 0 : EXIT_STATUS.unhealthy;
  },
});

/** The report for people; a person at a terminal sees each line as it comes. */
async function shower(output: Output, args: { json: boolean; color: boolean }) {
  const color = wantsColor(args.color);
  const atTerminal = !args.json && isTerminal(1);
  const person = atTerminal ? await personConsole(args.color) : null;
  const write = (text: string) => (args.json ? undefined : output.write(text));
  return {
    title: (title: string) =>
      person ? person.log(title) : write(`${title}\n`),
    result({ name, status, detail, fix, fixed }: CheckResult) {
      const mark = status === "pass" ? "success" : "fail";
      const text = `${name}: ${detail}${fixed ? " (mended)" : ""}`;
      if (person) person[mark](text, fix);
      else write(marked(mark, text, fix, color));
    },
  };
}

/** @param phase snake_case, as in the JSON */
function titleOf(phase: string): string {
  const words = phase.replaceAll("_", " ");
  return `${words[0]!.toUpperCase()}${words.slice(1)}`;
}

/** Without a home directory nothing else can be checked. */
const HOME: Check = {
  name: "home",
  async look() {
    throw await describe(NO_HOME);
  },
};

const statusOf = (parts: readonly { status: string }[]) =>
  parts.every(({ status }) => status === "pass") ? "pass" : "fail";
