/** `session-buddy doctor`: checks the installation. */
import { defineCommand, COLOR_FLAG, CONFIG_FLAG, JSON_FLAG } from "../args.ts";
import { NO_HOME, describe, wholeSettings } from "../../config/load.ts";
import { alertChecks } from "../../doctor/alerts.ts";
import { type Check, type CheckResult, run } from "../../doctor/check.ts";
import { databaseChecks } from "../../doctor/database.ts";
import { databaseServerChecks } from "../../doctor/database-server.ts";
import { exportChecks } from "../../doctor/exports.ts";
import { environmentChecks } from "../../doctor/environment.ts";
import { recordingChecks } from "../../doctor/recordings.ts";
import { serverChecks } from "../../doctor/server.ts";
import { shellChecks } from "../../doctor/shell.ts";
import { EXIT_STATUS } from "../../model/failure.ts";
import { Output } from "../../os/output.ts";
import { plainJson } from "../../model/json.ts";
import { checklist, statusOf, titleOf } from "../checklist.ts";
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
    const settings = await wholeSettings(process.env, args.config);
    const phases: Record<string, (s: typeof settings) => Check[]> = {
      environment_setup: environmentChecks,
      session_buddy_server: (all) => [
        ...serverChecks(all),
        ...alertChecks(all),
      ],
      admin_shell: shellChecks,
      database_verification: (all) => [
        ...databaseServerChecks(all),
        ...databaseChecks(all),
        ...recordingChecks(all),
        ...exportChecks(all),
      ],
    };
    const homeless = settings.paths.data === null ? [HOME] : null;
    const output = new Output();
    const show = await checklist(output, args);
    const found: Record<string, { status: string; tests: CheckResult[] }> = {};
    for (const [phase, checks] of Object.entries(phases)) {
      show.title(titleOf(phase));
      const tests: CheckResult[] = [];
      for (const check of homeless ?? checks(settings)) {
        const result = await run(check, args.fix);
        tests.push(result);
        const { name, status, detail, fix, fixed } = result;
        const text = `${name}: ${detail}${fixed ? " (mended)" : ""}`;
        show.result(text, status === "pass", fix);
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

/** Without a home directory nothing else can be checked. */
const HOME: Check = {
  name: "home",
  async look() {
    throw await describe(NO_HOME);
  },
};
