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
import { type Counter, Registry } from "prom-client";
import type { Figures as ExportFigures } from "../../forward/forwarder.ts";
import type { Outcome } from "../tools/telemetry.ts";
import { seriesOf } from "./series.ts";

/** What is so just now. */
export interface Gauges {
  /** Component → its sessions that are active; null while nobody knows. */
  active_sessions: ReadonlyMap<string, number> | null;
  lost_sessions: number | null;
  /** Whether the database can be used. */
  database_up: boolean;
  /** Events that wait for their commit. */
  queue_depth: number;
  spool_backlog_files: number;
  spool_backlog_bytes: number;
  database_bytes: number;
  /** Lines of the log that were dropped since the start. */
  log_dropped: number;
  alerts: AlertCounts;
}

/** Of alerts, since the start. */
interface AlertCounts {
  raised: number;
  /** Beyond what their rules may tell. */
  left_out: number;
  given_up: number;
  /** Not told yet to a channel, just now. */
  waiting: number;
}

/** The recordings of terminals that are kept. */
export interface RecordingFigures {
  recordings: number;
  bytes: number;
  /** From other hosts, since the start. */
  received: number;
  /** To make room, or by their age, since the start. */
  removed: number;
}

const NO_RECORDINGS = { recordings: 0, bytes: 0, received: 0, removed: 0 };

/** Different values of a label; further ones are `other`. */
const COMPONENTS_MAX = 200;
const VALUES_MAX = 30;
const VALUE_MAX_LENGTH = 100;
const OTHER = "other";

export class Metrics {
  static readonly CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

  /** How every destination of `export_to` is doing, by its name. */
  exports: () => ReadonlyMap<string, ExportFigures> = () => new Map();

  /** The recordings of terminals. */
  recordings: () => RecordingFigures = () => NO_RECORDINGS;

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
    for (const [component, sessions] of gauges.active_sessions ?? []) {
      const component_name = this.component(component);
      series.active.inc({ component_name }, sessions);
    }
    if (gauges.lost_sessions === null) series.lost.remove();
    else series.lost.set(gauges.lost_sessions);
    series.database_up.set(gauges.database_up ? 1 : 0);
    series.queue.set(gauges.queue_depth);
    series.backlog_files.set(gauges.spool_backlog_files);
    series.backlog_bytes.set(gauges.spool_backlog_bytes);
    series.database.set(gauges.database_bytes);
    restate(series.log_dropped, gauges.log_dropped);
    this.restateExports();
    const { recordings, bytes, received, removed } = this.recordings();
    series.recordings.set(recordings);
    series.recording_bytes.set(bytes);
    restate(series.recordings_received, received);
    restate(series.recordings_removed, removed);
    const { raised, left_out, given_up, waiting } = gauges.alerts;
    restate(series.alerts_raised, raised);
    restate(series.alerts_left_out, left_out);
    restate(series.alerts_given_up, given_up);
    series.alerts_waiting.set(waiting);
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
