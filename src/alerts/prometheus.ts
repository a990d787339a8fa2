/** Alerting rules for Prometheus, over the metrics that a server has. */

interface Rule {
  name: string;
  expr: string;
  /** How long it has to hold. */
  lasts: string;
  severity: "critical" | "warning";
  summary: string;
}

const RULES: readonly Rule[] = [
  {
    name: "SessionBuddyDown",
    expr: "absent(session_buddy_build_info)",
    lasts: "2m",
    severity: "critical",
    summary: "no session-buddy server is scraped",
  },
  {
    name: "SessionBuddyRestarts",
    expr: "changes(process_start_time_seconds[30m]) > 2 and on(instance, job) session_buddy_build_info",
    lasts: "0m",
    severity: "warning",
    summary: "it has started again {{ $value }} times within 30 minutes",
  },
  {
    name: "SessionBuddyQueueGrows",
    expr: "session_buddy_queue_depth > 30000",
    lasts: "1m",
    severity: "critical",
    summary:
      "{{ $value }} events wait for their commit; beyond 65536 calls are refused",
  },
  {
    name: "SessionBuddyCommitsSlow",
    expr: "histogram_quantile(0.99, sum by (instance, le) (rate(session_buddy_store_commit_seconds_bucket[5m]))) > 0.5",
    lasts: "10m",
    severity: "warning",
    summary: "one commit in a hundred takes longer than half a second",
  },
  {
    name: "SessionBuddySpoolWaits",
    expr: "session_buddy_spool_backlog_bytes > 104857600",
    lasts: "15m",
    severity: "warning",
    summary: "{{ $value | humanize1024 }}B wait in the spool",
  },
  {
    name: "SessionBuddyDatabaseGrows",
    expr: "delta(session_buddy_database_bytes[1d]) > 1073741824",
    lasts: "1h",
    severity: "warning",
    summary: "the database has grown by {{ $value | humanize1024 }}B in a day",
  },
  {
    name: "SessionBuddySessionsLost",
    expr: 'increase(session_end_total{status="error"}[15m]) > 10 or delta(session_buddy_lost_sessions[15m]) > 10',
    lasts: "0m",
    severity: "warning",
    summary:
      "{{ $value }} sessions are lost, or have failed, within 15 minutes",
  },
  {
    name: "SessionBuddyEventsRefused",
    expr: "sum by (instance, error_type) (rate(mcp_event_emit_failure_total[5m])) > 0.1",
    lasts: "10m",
    severity: "warning",
    summary: "events are refused: {{ $labels.error_type }}",
  },
  {
    name: "SessionBuddyEventsOfOthers",
    expr: "increase(session_buddy_rejected_events_total[15m]) > 0",
    lasts: "0m",
    severity: "warning",
    summary:
      "{{ $value }} events came from who may not report them within 15 minutes",
  },
  {
    name: "SessionBuddyErrors",
    expr: 'sum by (instance) (rate(session_buddy_http_requests_total{status=~"5.."}[5m])) > 0.05',
    lasts: "10m",
    severity: "warning",
    summary: "requests fail",
  },
  {
    name: "SessionBuddyLogDropped",
    expr: "increase(session_buddy_log_dropped_total[15m]) > 0",
    lasts: "0m",
    severity: "warning",
    summary: "{{ $value }} lines of its log could not be written",
  },
  {
    name: "SessionBuddyReadsSlow",
    expr: "histogram_quantile(0.99, sum by (instance, tool, le) (rate(session_buddy_read_duration_seconds_bucket[15m]))) > 5",
    lasts: "15m",
    severity: "warning",
    summary:
      "one call of {{ $labels.tool }} in a hundred takes longer than 5 s",
  },
  {
    name: "SessionBuddyExportLags",
    expr: "session_buddy_export_lag_seconds > 300",
    lasts: "5m",
    severity: "warning",
    summary:
      "{{ $labels.destination }} has not taken events for {{ $value | humanizeDuration }}",
  },
  {
    name: "SessionBuddyExportRefused",
    expr: "increase(session_buddy_export_refused_events_total[15m]) > 0",
    lasts: "0m",
    severity: "warning",
    summary:
      "{{ $labels.destination }} has refused {{ $value }} events for good",
  },
  {
    name: "SessionBuddyAlertsNotTold",
    expr: "session_buddy_alerts_waiting > 0",
    lasts: "10m",
    severity: "critical",
    summary: "{{ $value }} alerts could not be told to their channels",
  },
];

/** A file of rules, as `rule_files` of Prometheus takes it. */
export const prometheusRules = (): string =>
  `groups:
  - name: session-buddy
    rules:
${RULES.map(ruleText).join("")}`;

/** JSON's strings are YAML's. */
const ruleText = ({ name, expr, lasts, severity, summary }: Rule) =>
  `      - alert: ${name}
        expr: ${JSON.stringify(expr)}
        for: ${lasts}
        labels:
          severity: ${severity}
        annotations:
          summary: ${JSON.stringify(summary)}
`;
