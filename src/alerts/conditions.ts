/** Rules that look at how things stand, each at its own pace. */
import { hostname } from "node:os";
import type { AlertRule, AlertSession } from "../model/alert.ts";
import type { Session } from "../model/columns.ts";
import { isoTime } from "../model/clock.ts";
import type { JsonObject } from "../model/event.ts";
import { isAmong } from "../model/glob.ts";
import { type Login, UTMP, readLogins } from "../os/logins.ts";
import { bytes, duration } from "../render/format.ts";
import { isAbout } from "./match.ts";
import type { AlertSource } from "./source.ts";
import type { AlertState } from "./state.ts";
import { alertSession } from "./words.ts";

/** What holds now, about one thing. */
export interface Condition {
  /** Not yet escaped. */
  what: string;
  session: AlertSession | null;
  details: JsonObject;
}

export interface Measured {
  /** By what each is about. */
  found: ReadonlyMap<string, Condition>;
  /** When to look again, at the latest. */
  next_ms: number;
}

const LOOK_MS = 10_000;
const SLOW_LOOK_MS = 600_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Hosts that were away for so long are no longer missed. */
const HOSTS_OF_MS = 7 * DAY_MS;
const SIZES_KEPT = 24;
const MAX_KEY = 255;
const KEYS = "7a0e4c8e-5b0e-4b5e-9b55-5a6e8c0f4a11";

const one = (found: Condition | null, next_ms: number): Measured => ({
  found: new Map(found ? [["", found]] : []),
  next_ms,
});

const plain = (what: string, details: JsonObject): Condition => ({
  ...{ what, session: null, details },
});

/** @returns null for a rule that looks at events alone */
export async function measure(
  name: string,
  rule: AlertRule,
  source: AlertSource,
  state: AlertState,
  now: number,
): Promise<Measured | null> {
  const soon = now + LOOK_MS;
  switch (rule.when) {
    case "session_longer":
      return longer(name, rule, source, state, now);
    case "spool_backlog": {
      const has = source.spool();
      const { files = Infinity, bytes: most = Infinity } = rule;
      const over = has.files > files || has.bytes > most;
      const what = `${has.files} files (${bytes(has.bytes)}) wait in the spool`;
      return one(over ? plain(what, has) : null, soon);
    }
    case "undelivered": {
      const ms = source.undrained_ms();
      const what = `the spool has not been drained for ${duration(ms / 1_000)}`;
      const found = plain(what, { seconds: Math.round(ms / 1_000) });
      return one(ms > rule.than_ms! ? found : null, soon);
    }
    case "database_size": {
      const has = source.database_bytes();
      const found = plain(`the database has ${bytes(has)}`, { bytes: has });
      return one(has > rule.bytes! ? found : null, soon);
    }
    case "database_growth":
      return growth(name, rule, source, state, now);
    case "server_degraded": {
      const failed = Object.entries(source.health().checks)
        .filter(([, check]) => check !== "ok")
        .map(([check]) => check);
      const found = plain(`the server is degraded: ${failed.join(", ")}`, {
        failed,
      });
      return one(failed.length > 0 ? found : null, soon);
    }
    case "host_silent":
      return silent(rule, source, now);
    case "login_without_session":
      return logins(name, rule, source, state, now);
    default:
      return null;
  }
}

async function longer(
  name: string,
  rule: AlertRule,
  source: AlertSource,
  { standing }: AlertState,
  now: number,
): Promise<Measured> {
  const found = new Map<string, Condition>();
  let next_ms = now + SLOW_LOOK_MS;
  for await (const session of source.sessions({ active: true })) {
    const about = alertSession(session);
    if (!isAbout(rule, about)) continue;
    const ms = now - Date.parse(session.start_time);
    if (ms <= rule.than_ms!) {
      next_ms = Math.min(next_ms, now + rule.than_ms! - ms + 1);
      continue;
    }
    const what = `has taken ${duration(ms / 1_000)} so far`;
    const details = { duration_seconds: Math.round(ms / 1_000) };
    found.set(session.session_id, { what, session: about, details });
  }
  // One that ends is to be seen.
  if (found.size > 0 || Object.keys(standing[name] ?? {}).length > 0)
    next_ms = Math.min(next_ms, now + MINUTE_MS);
  return { found, next_ms };
}

function growth(
  name: string,
  rule: AlertRule,
  source: AlertSource,
  { sizes }: AlertState,
  now: number,
): Measured {
  const { within_ms = DAY_MS } = rule;
  const has = source.database_bytes();
  const kept = (sizes[name] ?? []).filter(
    ({ at_ms }) => at_ms >= now - within_ms && at_ms <= now,
  );
  kept.push({ at_ms: now, bytes: has });
  sizes[name] = kept.slice(-2 * SIZES_KEPT);
  const [first] = kept;
  const grown = has - first!.bytes;
  const over = duration((now - first!.at_ms) / 1_000);
  const what = `the database has grown by ${bytes(grown)} in ${over}, to ${bytes(has)}`;
  const found = plain(what, { grown_bytes: grown, bytes: has });
  const pace = Math.max(LOOK_MS, within_ms / SIZES_KEPT);
  return one(grown > rule.bytes! ? found : null, now + pace);
}

async function silent(
  rule: AlertRule,
  source: AlertSource,
  now: number,
): Promise<Measured> {
  const found = new Map<string, Condition>();
  const since = now - Math.max(HOSTS_OF_MS, 2 * rule.than_ms!);
  let next_ms = now + Math.max(LOOK_MS, Math.min(SLOW_LOOK_MS, rule.than_ms!));
  for (const [host, seen_ms] of await source.hosts(since)) {
    if (!isAmong(host, rule.host)) continue;
    const ms = now - seen_ms;
    if (ms <= rule.than_ms!) {
      next_ms = Math.min(
        next_ms,
        now + Math.max(LOOK_MS, rule.than_ms! - ms + 1),
      );
      continue;
    }
    const what = `nothing has come from host ${host} for ${duration(ms / 1_000)}`;
    const last_seen = isoTime(seen_ms);
    // Others choose how long its name is.
    const key = host.length > MAX_KEY ? Bun.randomUUIDv5(host, KEYS) : host;
    found.set(key, plain(what, { host: host.slice(0, MAX_KEY), last_seen }));
  }
  return { found, next_ms };
}

/** A login is covered by a session on its terminal, begun before or since. */
async function logins(
  name: string,
  rule: AlertRule,
  source: AlertSource,
  { standing }: AlertState,
  now: number,
): Promise<Measured> {
  const { than_ms = MINUTE_MS, file = UTMP } = rule;
  const found = new Map<string, Condition>();
  const known = standing[name] ?? {};
  const all = readLogins(file).filter(({ user }) => isAmong(user, rule.user));
  const due = all.filter(({ since_ms }) => now - since_ms > than_ms);
  // Those that were told of stay so until they are gone: nobody is asked again.
  const open = due.filter((login) => !known[keyOf(login)]?.id);
  const covered = open.length > 0 ? await terminals(source) : new Set<string>();
  for (const login of due) {
    const { user, line, from, since_ms } = login;
    if (open.includes(login) && covered.has(`/dev/${line}`)) continue;
    const of = from === "" ? "" : ` from ${from}`;
    const what = `${user} is logged in on ${line}${of} without a recorded session`;
    const details = { user, line, from, since: isoTime(since_ms) };
    found.set(keyOf(login), plain(what, details));
  }
  return { found, next_ms: now + LOOK_MS };
}

const keyOf = ({ user, line, since_ms }: Login) =>
  `${user} ${line} ${since_ms}`;

/** Those of this host on which a session is active. */
async function terminals(source: AlertSource): Promise<ReadonlySet<string>> {
  const ttys = new Set<string>();
  const here = (session: Session) =>
    session.hostname === hostname() && session.tty !== null;
  for await (const session of source.sessions({ active: true }))
    if (here(session)) ttys.add(session.tty!);
  return ttys;
}
