/** The timeline of sessions: a lane a user and host. */
import { type Zone, wallOf } from "../../model/clock.ts";
import type { Report } from "../../model/report.ts";
import type { Session } from "../../model/session.ts";
import { duration, localTime } from "../format.ts";
import { type Part, type Span, key, timeline } from "./charts.ts";
import { type Html, markup } from "./html.ts";
import { NOTHING, section } from "./sections.ts";

export const STATES: readonly Part[] = [
  { name: "ended well", look: "well" },
  { name: "failed", look: "failed" },
  { name: "lost", look: "lost" },
  { name: "active", look: "active" },
];
const MOST_LANES = 30;
const TICKS = 7;

export function timelineOf(report: Report, zone: Zone): Html {
  const { timeline: sessions, totals, generated_at } = report;
  const title = "Timeline";
  if (sessions.length === 0) return section(title, NOTHING);
  const laneOf = ({ username, hostname }: Session) => `${username}@${hostname}`;
  const all = [...Map.groupBy(sessions, laneOf)]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([lane]) => lane);
  const lanes = all.slice(0, MOST_LANES);
  const shown = sessions.filter((session) => lanes.includes(laneOf(session)));
  const now = Date.parse(generated_at);
  const spans = shown.map((session): Span => ({
    lane: laneOf(session),
    from_ms: Date.parse(session.start_time),
    until_ms: session.end_time ? Date.parse(session.end_time) : now,
    look: stateOf(session),
    title: spanTitle(session, zone),
  }));
  const from_ms = Math.min(...spans.map((span) => span.from_ms));
  // One that nobody ended may go on for months.
  const last_start_ms = Math.max(...spans.map((span) => span.from_ms));
  const until_ms = Math.max(
    from_ms + 60_000,
    Math.min(
      Math.max(...spans.map((span) => span.until_ms)),
      Math.max(Date.parse(report.before), last_start_ms),
      now,
    ),
  );
  const ticks = Array.from({ length: TICKS }, (_, i) => {
    const at_ms = from_ms + ((until_ms - from_ms) * (i + 0.5)) / TICKS;
    const wall = new Date(wallOf(at_ms, zone)).toISOString();
    return { at_ms, label: `${wall.slice(5, 10)} ${wall.slice(11, 16)}` };
  });
  const left_out = all.length - lanes.length;
  const note = [
    totals.sessions > sessions.length &&
      `The newest ${sessions.length} of ${totals.sessions} sessions.`,
    left_out > 0 && `${left_out} more users and hosts are left out.`,
  ]
    .filter(Boolean)
    .join(" ");
  return section(
    title,
    note ? markup`<p class="soft">${note}</p>` : null,
    key(STATES),
    timeline(
      ...(["Sessions by user and host, along time", lanes, spans] as const),
      ...([[from_ms, until_ms], ticks] as const),
    ),
  );
}

function stateOf({ status, exit_code, signal }: Session): Part["look"] {
  if (status !== "ended") return status;
  return exit_code !== 0 && (exit_code !== null || signal !== null)
    ? "failed"
    : "well";
}

function spanTitle(session: Session, zone: Zone): string {
  const { session_id, name, component_name, start_time, status } = session;
  const outcome = session.signal ?? session.exit_code;
  return [
    session_id + (name === null ? "" : ` (${name})`),
    component_name,
    `${localTime(start_time, zone)}, ${duration(session.duration_seconds)}`,
    outcome === null ? status : `${status}, ${outcome}`,
  ].join("; ");
}
