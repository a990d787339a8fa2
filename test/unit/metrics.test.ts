import { describe, expect, test } from "bun:test";
import { type Gauges, Metrics } from "../../src/server/http/metrics.ts";
import { type Family, parseMetrics } from "../support/prometheus.ts";

const QUIET: Gauges = {
  active_sessions: new Map(),
  database_up: false,
  ...{
    lost_sessions: 0,
    queue_depth: 0,
    database_bytes: 0,
    log_dropped: 0,
    alerts: { raised: 0, left_out: 0, given_up: 0, waiting: 0 },
  },
  ...{ spool_backlog_files: 0, spool_backlog_bytes: 0 },
};

const scrape = async (metrics: Metrics, gauges: Partial<Gauges> = {}) =>
  parseMetrics(await metrics.render({ ...QUIET, ...gauges }));

/** The value of the one series with these labels. */
function value(
  families: Map<string, Family>,
  family: string,
  labels: Record<string, string> = {},
  suffix = "",
): number | undefined {
  const found = families
    .get(family)!
    .samples.filter(
      (s) => s.name === family + suffix && Bun.deepEquals(s.labels, labels),
    );
  expect(found.length).toBeLessThan(2);
  return found[0]?.value;
}

/** le → cumulative count. */
const buckets = (families: Map<string, Family>, family: string, labels = {}) =>
  Object.fromEntries(
    families
      .get(family)!
      .samples.filter((s) => s.name === `${family}_bucket`)
      .filter(({ labels: { le, ...rest } }) => Bun.deepEquals(rest, labels))
      .map((s) => [s.labels["le"], s.value]),
  );

const SESSIONS = {
  session_start_total: ["counter", ["component_name", "shell_type"]],
  session_end_total: ["counter", ["component_name", "status"]],
  session_duration_seconds: ["histogram", ["component_name"]],
  mcp_event_emit_success_total: ["counter", ["component_name", "event_type"]],
  mcp_event_emit_failure_total: [
    ...["counter", ["component_name", "event_type", "error_type"]],
  ],
  mcp_event_emit_duration_seconds: [
    "histogram",
    ["component_name", "event_type"],
  ],
  active_sessions: ["gauge", ["component_name"]],
};

const OURS = {
  session_buddy_read_duration_seconds: ["histogram", ["tool", "command"]],
  session_buddy_store_commit_seconds: ["histogram", []],
  session_buddy_store_commit_events_total: ["counter", []],
  session_buddy_queue_depth: ["gauge", []],
  session_buddy_spool_backlog_files: ["gauge", []],
  session_buddy_spool_backlog_bytes: ["gauge", []],
  session_buddy_database_up: ["gauge", []],
  session_buddy_database_bytes: ["gauge", []],
  session_buddy_lost_sessions: ["gauge", []],
  session_buddy_rejected_events_total: ["counter", []],
  session_buddy_http_requests_total: ["counter", ["route", "status"]],
  session_buddy_recordings: ["gauge", []],
  session_buddy_recordings_bytes: ["gauge", []],
  session_buddy_recordings_received_total: ["counter", []],
  session_buddy_recordings_removed_total: ["counter", []],
  session_buddy_log_dropped_total: ["counter", []],
  session_buddy_export_lag_events: ["gauge", ["destination"]],
  session_buddy_export_lag_seconds: ["gauge", ["destination"]],
  session_buddy_exported_events_total: ["counter", ["destination"]],
  session_buddy_export_failures_total: ["counter", ["destination"]],
  session_buddy_export_refused_events_total: ["counter", ["destination"]],
  session_buddy_alerts_raised_total: ["counter", []],
  session_buddy_alerts_left_out_total: ["counter", []],
  session_buddy_alerts_given_up_total: ["counter", []],
  session_buddy_alerts_waiting: ["gauge", []],
  session_buddy_build_info: ["gauge", ["version", "commit", "bun", "duckdb"]],
  process_cpu_seconds_total: ["counter", []],
  process_resident_memory_bytes: ["gauge", []],
  process_start_time_seconds: ["gauge", []],
  process_open_fds: ["gauge", []],
};

test("the names, types and labels that dashboards are built on", async () => {
  const metrics = new Metrics();
  metrics.sessionStart("maha", "ipython");
  metrics.sessionEnd("maha", "success");
  metrics.duration("maha", 90);
  metrics.emit("maha", "session_start", { ok: true }, 0.002);
  metrics.emit(
    "maha",
    "session_start",
    { ok: false, error_type: "refused" },
    0.002,
  );
  metrics.read("search", "search", 0.002);
  metrics.commit(0.002, 3);
  metrics.request("/mcp", 200);
  const figures = { lag_events: 1, lag_seconds: 2, exported: 3 };
  metrics.exports = () =>
    new Map([["siem", { ...figures, failures: 4, refused: 5 }]]);
  const families = await scrape(metrics, {
    active_sessions: new Map([["maha", 1]]),
  });
  const shape: Record<string, unknown> = Object.fromEntries(
    [...families].map(([name, { type, samples }]) => {
      const { le, ...labels } = samples[0]!.labels;
      return [name, [type, Object.keys(labels)]];
    }),
  );
  expect(shape).toEqual({ ...SESSIONS, ...OURS });
});

test("a fresh process counts from nothing", async () => {
  const families = await scrape(new Metrics());
  for (const [name, { type, samples }] of families) {
    if (name.startsWith("process_") || name.endsWith("_info")) continue;
    expect({ name, of: samples.map((s) => s.value).filter(Boolean) }).toEqual({
      ...{ name, of: [] },
    });
    if (
      type === "counter" &&
      name.startsWith("session_buddy_") &&
      samples.length
    )
      expect(value(families, name)).toBe(0);
  }
});

test("the content type names the format", () => {
  expect(Metrics.CONTENT_TYPE).toBe("text/plain; version=0.0.4; charset=utf-8");
});

test("starts and ends count by component", async () => {
  const metrics = new Metrics();
  for (const shell of ["ipython", "ipython", "bash"])
    metrics.sessionStart("maha", shell);
  metrics.sessionStart("oneiric", "bash");
  for (const status of ["success", "success", "error", "not_found"] as const)
    metrics.sessionEnd("maha", status);
  const families = await scrape(metrics);
  const starts = (component_name: string, shell_type: string) =>
    value(families, "session_start_total", { component_name, shell_type });
  expect(starts("maha", "ipython")).toBe(2);
  expect(starts("maha", "bash")).toBe(1);
  expect(starts("oneiric", "bash")).toBe(1);
  const ends = (status: string) =>
    value(families, "session_end_total", { component_name: "maha", status });
  expect(["success", "error", "not_found"].map(ends)).toEqual([2, 1, 1]);
});

test("durations fall in the buckets of their length, a bound in its own", async () => {
  const metrics = new Metrics();
  for (const seconds of [0, 59.9, 60, 61, 28_800, 100_000])
    metrics.duration("maha", seconds);
  const families = await scrape(metrics);
  const labels = { component_name: "maha" };
  expect(buckets(families, "session_duration_seconds", labels)).toEqual({
    ...{ "60": 3, "300": 4, "900": 4, "1800": 4, "3600": 4, "7200": 4 },
    ...{ "14400": 4, "28800": 5, "+Inf": 6 },
  });
  expect(
    value(families, "session_duration_seconds", labels, "_sum"),
  ).toBeCloseTo(128_980.9);
});

test("emitted events: taken, refused, and how long each took", async () => {
  const metrics = new Metrics();
  const labels = { component_name: "maha", event_type: "session_start" };
  metrics.emit("maha", "session_start", { ok: true }, 0.0005);
  metrics.emit("maha", "session_start", { ok: true }, 0.3);
  metrics.emit(
    "maha",
    "session_start",
    { ok: false, error_type: "ValidationError" },
    20,
  );
  const families = await scrape(metrics);
  expect(value(families, "mcp_event_emit_success_total", labels)).toBe(2);
  expect(
    value(families, "mcp_event_emit_failure_total", {
      ...{ ...labels, error_type: "ValidationError" },
    }),
  ).toBe(1);
  const counts = buckets(families, "mcp_event_emit_duration_seconds", labels);
  expect(new Set(Object.keys(counts))).toEqual(
    new Set([
      ...["0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5"],
      ...["1", "2.5", "5", "10", "+Inf"],
    ]),
  );
  expect(counts).toMatchObject({
    "0.001": 1,
    "0.25": 1,
    "0.5": 2,
    "10": 2,
    "+Inf": 3,
  });
});

test("commits and requests", async () => {
  const metrics = new Metrics();
  metrics.commit(0.0015, 4096);
  metrics.commit(0.004, 4);
  for (const status of [200, 200, 403]) metrics.request("/mcp", status);
  const families = await scrape(metrics);
  expect(value(families, "session_buddy_store_commit_events_total")).toBe(4100);
  expect(
    value(families, "session_buddy_store_commit_seconds", {}, "_count"),
  ).toBe(2);
  expect(buckets(families, "session_buddy_store_commit_seconds")).toMatchObject(
    {
      ...{ "0.001": 0, "0.0025": 1, "0.005": 2 },
    },
  );
  const requests = (status: string) =>
    value(families, "session_buddy_http_requests_total", {
      route: "/mcp",
      status,
    });
  expect(["200", "403", "500"].map(requests)).toEqual([2, 1, undefined]);
});

test("reads, by tool and by command, of which there are so many and no more", async () => {
  const metrics = new Metrics();
  metrics.read("list_sessions", "last", 0.03);
  metrics.read("list_sessions", "last", 70);
  metrics.read("list_sessions", "mcp", 0.0004);
  for (let n = 0; n < 1_000; n++) metrics.read(`t${n}`, `c${n}`, 1);
  const name = "session_buddy_read_duration_seconds";
  const families = await scrape(metrics);
  const last = { tool: "list_sessions", command: "last" };
  expect(buckets(families, name, last)).toMatchObject({
    ...{ "0.025": 0, "0.05": 1, "10": 1, "+Inf": 2 },
  });
  const counts = families
    .get(name)!
    .samples.filter((s) => s.name === `${name}_count`);
  expect(counts.reduce((sum, s) => sum + s.value, 0)).toBe(1_003);
  expect(counts.length).toBeLessThan(40);
});

test("what has a state is what it is now, however often it is asked", async () => {
  const metrics = new Metrics();
  const gauges = {
    ...{
      lost_sessions: 2,
      queue_depth: 3,
      database_bytes: 4e9,
      log_dropped: 5,
    },
    ...{ spool_backlog_files: 6, spool_backlog_bytes: 7000 },
    alerts: { raised: 8, left_out: 9, given_up: 10, waiting: 11 },
    database_up: true,
  };
  const active = (entries: [string, number][]) => ({
    ...{ ...gauges, active_sessions: new Map(entries) },
  });
  await scrape(
    metrics,
    active([
      ["maha", 9],
      ["gone", 1],
    ]),
  );
  const families = await scrape(metrics, active([["maha", 8]]));
  expect(families.get("active_sessions")!.samples).toEqual([
    { name: "active_sessions", labels: { component_name: "maha" }, value: 8 },
  ]);
  for (const [name, expected] of Object.entries({
    ...{
      lost_sessions: 2,
      queue_depth: 3,
      database_bytes: 4e9,
      log_dropped_total: 5,
    },
    ...{ spool_backlog_files: 6, spool_backlog_bytes: 7000 },
    ...{ alerts_raised_total: 8, alerts_left_out_total: 9 },
    ...{ alerts_given_up_total: 10, alerts_waiting: 11 },
  }))
    expect(value(families, `session_buddy_${name}`)).toBe(expected);
  expect(value(families, "session_buddy_database_up")).toBe(1);
  const nobody_knows = { active_sessions: null, lost_sessions: null };
  const away = await scrape(metrics, { ...nobody_knows, database_up: false });
  expect(value(away, "session_buddy_database_up")).toBe(0);
  for (const name of ["active_sessions", "session_buddy_lost_sessions"])
    expect(away.get(name)!.samples).toEqual([]);
  expect(value(await scrape(metrics), "session_buddy_lost_sessions")).toBe(0);
});

test("the process is this one", async () => {
  const families = await scrape(new Metrics());
  const started = value(families, "process_start_time_seconds")!;
  expect(
    Math.abs(started - (Date.now() / 1000 - process.uptime())),
  ).toBeLessThan(5);
  expect(value(families, "process_resident_memory_bytes")).toBeGreaterThan(1e7);
  expect(value(families, "process_cpu_seconds_total")).toBeGreaterThan(0);
  expect(value(families, "process_open_fds")).toBeGreaterThan(2);
  const [build] = families.get("session_buddy_build_info")!.samples;
  expect(build).toMatchObject({ value: 1, labels: { bun: Bun.version } });
});

describe("labels come from outside", () => {
  test("whatever stands in one comes through, and breaks nothing", async () => {
    const metrics = new Metrics();
    const shells = [
      'a"b',
      "a\\b",
      "a\nb",
      'x",status="y"} 1\n',
      "",
      "ä \u{1f600}",
      "{}",
      "__proto__",
    ];
    for (const shell of shells) metrics.sessionStart("maha", shell);
    const families = await scrape(metrics);
    const seen = families.get("session_start_total")!.samples;
    expect(seen.map((s) => s.labels["shell_type"])).toEqual(shells);
    expect(seen.every((s) => s.value === 1)).toBe(true);
  });

  test("of components there are 200, then others, and none is lost", async () => {
    const metrics = new Metrics();
    for (let turn = 0; turn < 2; turn++)
      for (let n = 0; n < 1000; n++) {
        metrics.sessionStart(`c${n}`, "bash");
        metrics.duration(`c${n}`, 1);
      }
    const active_sessions = new Map(
      Array.from({ length: 1000 }, (_, n) => [`c${n}`, 3] as const),
    );
    const families = await scrape(metrics, { active_sessions });
    const starts = families.get("session_start_total")!.samples;
    expect(starts.length).toBe(201);
    expect(starts.reduce((sum, s) => sum + s.value, 0)).toBe(2000);
    const other = { component_name: "other" };
    expect(
      value(families, "session_start_total", { ...other, shell_type: "bash" }),
    ).toBe(1600);
    expect(value(families, "session_duration_seconds", other, "_count")).toBe(
      1600,
    );
    expect(value(families, "active_sessions", other)).toBe(2400);
    expect(value(families, "active_sessions", { component_name: "c7" })).toBe(
      3,
    );
  });

  test("of everything else fewer, and no long ones", async () => {
    const metrics = new Metrics();
    for (let n = 0; n < 100; n++) metrics.sessionStart("maha", `shell${n}`);
    metrics.sessionStart("maha", "x".repeat(101));
    const families = await scrape(metrics);
    const starts = families.get("session_start_total")!.samples;
    expect(starts.length).toBe(31);
    expect(
      value(families, "session_start_total", {
        ...{ component_name: "maha", shell_type: "other" },
      }),
    ).toBe(71);
  });
});

describe("the reader of these tests is strict", () => {
  const head = "# HELP a_total x\n# TYPE a_total counter\n";
  test.each([
    ...[
      "",
      "a_total 1\n",
      `${head}a_total 1`,
      `${head}a_total x\n`,
      `${head}b_total 1\n`,
    ],
    ...[`${head}a_total -1\n`, `${head}a_total 1\na_total 2\n`],
    ...[`${head}a_total{b="c} 1\n`, `${head}a_total{b="\\x"} 1\n`],
    ...[
      `${head}a_total{b="c"} 1\na_total 1\n`,
      `${head}a_total{b="c",b="d"} 1\n`,
    ],
    "# HELP a x\n# TYPE a counter\na 1\n",
    '# HELP h x\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    '# HELP h x\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 1\nh_count 1\n',
    '# HELP h x\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 2\n',
  ])("%j", (text) => expect(() => parseMetrics(text)).toThrow());
});
