/**
 * Keeps the server's metrics, in Prometheus' text format 0.0.4. Counters begin at 0
 * with the process; gauges (open sessions, queue, files) are handed in at each
 * scrape.
 *
 * Label values come from what clients sent. Each label takes a bounded number
 * of different ones, whoever is first; the rest count as `other`, so that no
 * client can make the table of series grow without end.
 */
import { readdirSync } from "node:fs";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { COMMIT, DUCKDB_VERSION, VERSION } from "../../version.ts";
import type { Figures as ExportFigures } from "../../forward/forwarder.ts";
import type { Outcome } from "../tools/telemetry.ts";

/** What is so just now. */
export interface Gauges {
  /** Component → its sessions that are active. */
  active_sessions: ReadonlyMap<string, number>;
  lost_sessions: number;
  /** Events that wait for their commit. */
  queue_depth: number;
  spool_backlog_files: number;
  spool_backlog_bytes: number;
  database_bytes: number;
  /** Lines of the log that were dropped since the start. */
  log_dropped: number;
}

/** Different values of a label; further ones are `other`. */
const COMPONENTS_MAX = 200;
const VALUES_MAX = 30;
const VALUE_MAX_LENGTH = 100;
const OTHER = "other";

const DURATION_SECONDS = [60, 300, 900, 1800, 3600, 7200, 14400, 28800];
const EMIT_SECONDS = [
  ...[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10],
];
const COMMIT_SECONDS = [
  ...[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5, 1, 2.5, 5],
];

export class Metrics {
  static readonly CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

  /** How every destination of `export_to` is doing, by its name. */
  exports: () => ReadonlyMap<string, ExportFigures> = () => new Map();

  private readonly registry = new Registry();
  private readonly series = seriesOf(this.registry);
  private readonly values = new Map<string, Set<string>>();
  private readonly started_at = Date.now() / 1000 - process.uptime();

  /** A start that was stored. */
  sessionStart(component: string, shell_type: string): void {
    this.series.session_start.inc({
      component_name: this.component(component),
      shell_type: this.value("shell_type", shell_type),
    });
  }

  /** @param component of the stored session; `unknown` when there is none */
  sessionEnd(
    component: string,
    status: "success" | "error" | "not_found",
  ): void {
    const component_name = this.component(component);
    this.series.session_end.inc({ component_name, status });
  }

  /** How long a session took, once it has ended. */
  duration(component: string, seconds: number): void {
    const component_name = this.component(component);
    this.series.session_duration.observe({ component_name }, seconds);
  }

  /** A call of a tool that tracks, and how long it took. */
  emit(
    component: string,
    event_type: string,
    outcome: Outcome,
    seconds: number,
  ): void {
    const labels = {
      component_name: this.component(component),
      event_type: this.value("event_type", event_type),
    };
    this.series.emit_duration.observe(labels, seconds);
    if (outcome.ok) return this.series.emit_success.inc(labels);
    const error_type = this.value("error_type", outcome.error_type);
    this.series.emit_failure.inc({ ...labels, error_type });
  }

  /** A call of a tool that reads, and for which command of ours it was. */
  read(tool: string, command: string, seconds: number): void {
    this.series.read.observe(
      {
        tool: this.value("tool", tool),
        command: this.value("command", command),
      },
      seconds,
    );
  }

  /** A commit of the store. */
  commit(seconds: number, events: number): void {
    this.series.commit.observe(seconds);
    this.series.commit_events.inc(events);
  }

  /** Events, signs of life among them, of sessions that belong to others. */
  rejected(events: number): void {
    this.series.rejected.inc(events);
  }

  /** An answered request. */
  request(route: string, status: number): void {
    this.series.requests.inc({ route: this.value("route", route), status });
  }

  /** The whole text, UTF-8, to be served as CONTENT_TYPE. */
  render(gauges: Gauges): Promise<string> {
    const { series } = this;
    series.active.reset();
    for (const [component, sessions] of gauges.active_sessions) {
      const component_name = this.component(component);
      series.active.inc({ component_name }, sessions);
    }
    series.lost.set(gauges.lost_sessions);
    series.queue.set(gauges.queue_depth);
    series.backlog_files.set(gauges.spool_backlog_files);
    series.backlog_bytes.set(gauges.spool_backlog_bytes);
    series.database.set(gauges.database_bytes);
    restate(series.log_dropped, gauges.log_dropped);
    this.restateExports();
    const { user, system } = process.cpuUsage();
    restate(series.cpu, (user + system) / 1e6);
    series.memory.set(process.memoryUsage.rss());
    series.started.set(this.started_at);
    series.fds.set(openDescriptors());
    return this.registry.metrics();
  }

  private restateExports(): void {
    const { series } = this;
    for (const [destination, figures] of this.exports()) {
      series.lag_events.set({ destination }, figures.lag_events);
      series.lag_seconds.set({ destination }, figures.lag_seconds);
      for (const name of ["exported", "failures", "refused"] as const) {
        series[name].remove({ destination });
        series[name].inc({ destination }, figures[name]);
      }
    }
  }

  private readonly component = (name: string) =>
    this.value("component_name", name, COMPONENTS_MAX);

  /** The value itself while its label has room, else `other`. */
  private value(label: string, value: string, max = VALUES_MAX): string {
    let known = this.values.get(label);
    if (!known) this.values.set(label, (known = new Set()));
    if (known.has(value)) return value;
    if (known.size >= max || value.length > VALUE_MAX_LENGTH) return OTHER;
    known.add(value);
    return value;
  }
}

/** A counter whose count is kept elsewhere. */
function restate(counter: Counter, count: number): void {
  counter.reset();
  counter.inc(count);
}

/** Of this process; NaN where there is no /proc. */
function openDescriptors(): number {
  try {
    // One of them is the open folder.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return NaN;
  }
}

function seriesOf(registry: Registry) {
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
