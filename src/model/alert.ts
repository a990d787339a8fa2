/**
 * Alerts: the rules that a configuration sets, whom they tell, and what is told.
 */
import type { Json, JsonObject } from "./event.ts";
import type { Patterns } from "./glob.ts";

/** What a rule watches, and what help says of it. */
export const ALERT_KINDS = {
  session_start: "a session begins",
  outside_hours: "a session begins outside of the hours",
  session_end: "a session ends with an exit status, or by a signal",
  session_lost: "a session is lost: nobody saw its end",
  session_longer: "a session takes longer",
  command: "a command with a text begins, or ends with a status",
  undelivered: "events wait for longer, or have, before they are stored",
  spool_backlog: "more waits in the spool of the server's host",
  database_size: "the database is larger",
  database_growth: "the database grows by more within a time",
  server_degraded: "a check of the server's health fails",
  host_silent: "nothing comes from a host any more",
  login_without_session: "somebody is logged in without a recorded session",
} as const;
export type AlertKind = keyof typeof ALERT_KINDS;

/** How somebody is told beside the log, which everything of `log` goes to. */
export const LOG_CHANNEL = "log";

export type Channel = {
  /** Of one attempt. */
  timeout_ms: number;
  /** Before the first further attempt; it doubles. */
  retry_ms: number;
  /** After so long an alert is given up. */
  retry_for_ms: number;
} & (
  | { webhook: string; key_file: string | null; command?: never }
  | { command: string[]; webhook?: never }
);

export interface AlertRule {
  when: AlertKind;
  /** Names of channels, or `log`. */
  tell: string[];
  /** More alerts than this, within `per_ms`, are counted alone. */
  at_most: number;
  per_ms: number;
  user?: Patterns;
  host?: Patterns;
  component?: Patterns;
  type?: Patterns;
  /** What a command has in it. */
  matches?: Patterns;
  /** `failed`, or exit statuses. */
  exit?: "failed" | number[];
  /** From and to, in minutes of the day; over midnight where `to` is not after `from`. */
  hours?: { from: number; to: number }[];
  /** 0 is Sunday. */
  days?: number[];
  /** As TZ has it; that of the server where it is left out. */
  zone?: string;
  than_ms?: number;
  files?: number;
  bytes?: number;
  within_ms?: number;
  /** Where logins stand, in place of /var/run/utmp. */
  file?: string;
}

export interface AlertConfig {
  /** What happened longer ago raises no alert. */
  max_age_ms: number;
  channels: Record<string, Channel>;
  rules: Record<string, AlertRule>;
  /** By its key what the files say, with what holds where they say nothing. */
  given: Record<string, Json>;
}

/** What an alert says of its session. */
export interface AlertSession {
  session_id: string;
  session_type: string;
  component_name: string;
  username: string;
  hostname: string;
  tty: string | null;
  working_directory: string;
  start_time: string;
  name: string | null;
  /** Who reported it, and how host and user are known. */
  reporter: string | null;
  attested: string | null;
}

/** As it is told, in JSON. */
export interface Alert {
  /** The same for the same alert, however often it is told. */
  id: string;
  /** UTC, ISO 8601 with milliseconds. */
  time: string;
  rule: string;
  kind: AlertKind | "left_out" | "test";
  /** One sentence, escaped. */
  text: string;
  session: AlertSession | null;
  details: JsonObject;
}

export type Told = {
  state: "pending" | "told" | "given_up";
  attempts: number;
  /** Of the last change; UTC. */
  at: string;
  /** Why the last attempt failed. */
  error: string | null;
};

/** As it is kept: with whom it was told to, and who has taken note of it. */
export interface KeptAlert extends Alert {
  /** The order in which they were raised. */
  seq: number;
  told: Record<string, Told>;
  acked: { at: string; by: string } | null;
  /** When what it was about held no more; UTC. */
  resolved: string | null;
}
