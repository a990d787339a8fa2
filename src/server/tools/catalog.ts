/** The tools, in the order in which clients list them. */
import { analytics } from "./analytics.ts";
import { annotateSession } from "./annotate-session.ts";
import { getChannelSessions } from "./get-channel-sessions.ts";
import { getSession } from "./get-session.ts";
import { healthCheck } from "./health-check.ts";
import { listAlerts } from "./list-alerts.ts";
import { listCommands } from "./list-commands.ts";
import { listEvents } from "./list-events.ts";
import { listSessions } from "./list-sessions.ts";
import { search } from "./search.ts";
import { querySessions } from "./query-sessions.ts";
import { sessionStats } from "./session-stats.ts";
import type { Tool } from "./tool.ts";
import { trackChannelSession } from "./track-channel-session.ts";
import { trackEvents } from "./track-events.ts";
import { trackSessionEnd } from "./track-session-end.ts";
import { trackSessionStart } from "./track-session-start.ts";
import { whoAt } from "./who-at.ts";

export const TOOLS: readonly Tool[] = [
  healthCheck,
  trackSessionStart,
  trackSessionEnd,
  trackEvents,
  listSessions,
  getSession,
  whoAt,
  listCommands,
  listEvents,
  search,
  sessionStats,
  analytics,
  querySessions,
  listAlerts,
  annotateSession,
  trackChannelSession,
  getChannelSessions,
];

/** The same by name. */
export const CATALOG: Readonly<Record<string, Tool>> = Object.fromEntries(
  TOOLS.map((tool) => [tool.name, tool]),
);

/** Undefined for what is no tool. */
export const toolNamed = (name: string | null): Tool | undefined =>
  name !== null && Object.hasOwn(CATALOG, name) ? CATALOG[name] : undefined;
