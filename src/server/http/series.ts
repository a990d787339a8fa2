/** The metrics that a server has: names, types, labels and help. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { COMMIT, DUCKDB_VERSION, VERSION } from "../../version.ts";

const DURATION_SECONDS = [60, 300, 900, 1800, 3600, 7200, 14400, 28800];
const EMIT_SECONDS = [
  ...[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10],
];
const COMMIT_SECONDS = [
  ...[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5, 1, 2.5, 5],
];

export function seriesOf(registry: Registry) {
  const of = <L extends string>(
    name: string,
    help: string,
    ...labels: L[]
  ) => ({
    ...{ name, help, labelNames: labels, registers: [registry] },
  });
  const counter = <L extends string>(...given: Parameters<typeof of<L>>) =>
    new Counter<L>(of(...given));
  const gauge = <L extends string>(...given: Parameters<typeof of<L>>) =>
    new Gauge<L>(of(...given));
  const histogram = <L extends string>(
    buckets: number[],
    ...given: Parameters<typeof of<L>>
  ) => new Histogram<L>({ ...of(...given), buckets });
  const ours = <T extends string>(name: T) => `session_buddy_${name}` as const;

  const build = gauge(
    ours("build_info"),
    "What this server was built from.",
    ...(["version", "commit", "bun", "duckdb"] as const),
  );
  const built = { version: VERSION, commit: COMMIT, bun: Bun.version };
  build.set({ ...built, duckdb: DUCKDB_VERSION }, 1);
  return {
    session_start: counter(
      "session_start_total",
      "Sessions whose start was stored since the server began, tracked or wrapped.",
      "component_name",
      "shell_type",
    ),
    session_end: counter(
      "session_end_total",
      "Ends of sessions that clients sent, by what came of them, and of wrapped ones.",
      "component_name",
      "status",
    ),
    session_duration: histogram(
      DURATION_SECONDS,
      "session_duration_seconds",
      "How long the sessions took that ended since the server began.",
      "component_name",
    ),
    emit_success: counter(
      "mcp_event_emit_success_total",
      "Events that were taken.",
      "component_name",
      "event_type",
    ),
    emit_failure: counter(
      "mcp_event_emit_failure_total",
      "Events that were refused or could not be stored.",
      "component_name",
      "event_type",
      "error_type",
    ),
    emit_duration: histogram(
      EMIT_SECONDS,
      "mcp_event_emit_duration_seconds",
      "From the call that brought an event to its answer.",
      "component_name",
      "event_type",
    ),
    read: histogram(
      EMIT_SECONDS,
      ours("read_duration_seconds"),
      "From the call of a tool that reads to its answer, by the command that asked; mcp where none of ours did.",
      "tool",
      "command",
    ),
    active: gauge(
      "active_sessions",
      "Sessions that are active.",
      "component_name",
    ),
    lost: gauge(
      ours("lost_sessions"),
      "Sessions without an end that nobody runs any more.",
    ),
    commit: histogram(
      COMMIT_SECONDS,
      ours("store_commit_seconds"),
      "How long a commit of the store took.",
    ),
    commit_events: counter(
      ours("store_commit_events_total"),
      "Events committed.",
    ),
    queue: gauge(ours("queue_depth"), "Events that wait for their commit."),
    backlog_files: gauge(
      ours("spool_backlog_files"),
      "Spool files not drained yet.",
    ),
    backlog_bytes: gauge(ours("spool_backlog_bytes"), "Their size in bytes."),
    database_up: gauge(
      ours("database_up"),
      "1 while the database can be written and read, else 0.",
    ),
    database: gauge(
      ours("database_bytes"),
      "Size of the database, its log included.",
    ),
    rejected: counter(
      ours("rejected_events_total"),
      "Events that who brought them may not report.",
    ),
    requests: counter(
      ours("http_requests_total"),
      "Requests answered.",
      "route",
      "status",
    ),
    recordings: gauge(
      ours("recordings"),
      "Recordings of terminals that are kept.",
    ),
    recording_bytes: gauge(ours("recordings_bytes"), "Their bytes."),
    recordings_received: counter(
      ours("recordings_received_total"),
      "Recordings that other hosts have brought, whole and checked.",
    ),
    recordings_removed: counter(
      ours("recordings_removed_total"),
      "Recordings that went to make room, or by their age.",
    ),
    log_dropped: counter(
      ours("log_dropped_total"),
      "Lines of the log that were dropped.",
    ),
    lag_events: gauge(
      ours("export_lag_events"),
      "Stored events that a destination of export_to has not taken yet.",
      "destination",
    ),
    lag_seconds: gauge(
      ours("export_lag_seconds"),
      "How long ago the oldest of them arrived.",
      "destination",
    ),
    exported: counter(
      ours("exported_events_total"),
      "Events that it has taken.",
      "destination",
    ),
    failures: counter(
      ours("export_failures_total"),
      "Attempts that failed.",
      "destination",
    ),
    refused: counter(
      ours("export_refused_events_total"),
      "Events that it will never take, and that were left out.",
      "destination",
    ),
    alerts_raised: counter(ours("alerts_raised_total"), "Alerts raised."),
    alerts_left_out: counter(
      ours("alerts_left_out_total"),
      "Alerts that were counted alone, for their rule had told enough.",
    ),
    alerts_given_up: counter(
      ours("alerts_given_up_total"),
      "Alerts that a channel was not told of in its time.",
    ),
    alerts_waiting: gauge(
      ours("alerts_waiting"),
      "Alerts that a channel is still to be told of.",
    ),
    cpu: counter(
      "process_cpu_seconds_total",
      "User and system CPU time spent.",
    ),
    memory: gauge("process_resident_memory_bytes", "Resident memory."),
    started: gauge(
      "process_start_time_seconds",
      "Start, seconds since the epoch.",
    ),
    fds: gauge("process_open_fds", "Open file descriptors."),
  };
}
