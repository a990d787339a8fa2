/** `session-buddy alerts --prometheus`: alerting rules for Prometheus. */
import { defineCommand } from "../args.ts";
import { prometheusRules } from "../../alerts/prometheus.ts";
import { ALERT_KINDS } from "../../model/alert.ts";
import { fail } from "../../model/failure.ts";
import { print } from "../terminal.ts";

const KINDS = Object.entries(ALERT_KINDS)
  .map(([kind, when]) => `  ${kind.padEnd(22)} ${when}`)
  .join("\n");

export default defineCommand({
  description: `Prints alerting rules for Prometheus, over the metrics that a server has.

A server has alerts of its own, for which no Prometheus is needed: it tells a
webhook, a command or its log when a session fails, is lost, takes long or
begins at night, of commands, of hosts that fell silent, of logins without a
session, and of its own troubles. alerts list shows them, alerts ack takes note
of them, alerts test tells the channels a trial. Rules and channels stand in the
configuration:

  alerts:
    channels:
      ops: {webhook: https://alerts.example.org/hook, key_file: /etc/alert.key}
      page: {command: [/usr/local/bin/page, --team, ops]}
    rules:
      failed: {when: session_end, exit: failed, component: deploy, tell: [ops]}
      night: {when: outside_hours, hours: 08:00-18:00, days: mon-fri}

A rule's when is one of:

${KINDS}

EXAMPLES
  session-buddy alerts list
  session-buddy alerts test ops
  session-buddy alerts ack --all
  session-buddy alerts --prometheus > /etc/prometheus/rules/session-buddy.yml`,
  args: {
    prometheus: {
      type: "boolean",
      description: "Rules for Prometheus, as rule_files takes them",
    },
  },
  run({ prometheus }) {
    if (!prometheus)
      throw fail.usage(
        "alerts needs a command, or --prometheus",
        "try: session-buddy alerts list, or session-buddy alerts --help",
      );
    print(prometheusRules());
  },
});
