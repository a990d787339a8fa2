/**
 * Settings: defaults, then /etc, then the user's file, then --config or
 * SESSION_BUDDY_CONFIG, then the environment; flags come on top where they are
 * parsed. Nothing below the working directory is read.
 *
 * Reading never throws: what is wrong is a list of problems beside the values
 * that hold, for a broken file must not keep anybody from his shell. Commands
 * other than `shell` refuse to go on (`requireValid`).
 */
import { Failure, reasonOf } from "./model/failure.ts";
import type { Json, JsonObject } from "./model/event.ts";
import { isMissing, readText } from "./os/file.ts";
import { type Paths, resolvePaths } from "./os/paths.ts";

export interface Profile {
  command?: string[];
  component?: string;
  metadata?: JsonObject;
}

export interface Config {
  session: {
    enabled: boolean;
    audit: "strict" | "best-effort";
    banner: "full" | "line" | "none";
    heartbeat_ms: number;
  };
  store: { path: string | null; network_filesystem: boolean };
  cache_dir: string | null;
  profiles: Record<string, Profile>;
}

/** One thing wrong: where (a file and the keys down to it, or a variable) and what. */
export interface Problem {
  file: string;
  text: string | null;
  path: string[];
  what: string;
  mend: string;
}

export interface Settings {
  config: Config;
  paths: Paths;
  problems: Problem[];
}

type Parse<T> = (value: Json) => T | undefined;

const boolean: Parse<boolean> = (v) => (typeof v === "boolean" ? v : undefined);
const text: Parse<string> = (v) =>
  typeof v === "string" && v !== "" ? v : undefined;
const absolutePath: Parse<string | null> = (v) =>
  v === null || (typeof v === "string" && v.startsWith("/")) ? v : undefined;
const oneOf =
  <const T extends string>(...words: T[]): Parse<T> =>
  (v) =>
    words.find((word) => word === v);

/** `30s`, `500ms`, `2m`, `24h`, or seconds as a number; in milliseconds. */
const duration: Parse<number> = (value) => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(String(value));
  const unit = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[match?.[2] ?? "s"];
  const ms = Number(match?.[1]) * (unit ?? NaN);
  return ms > 0 ? ms : undefined;
};

interface Key {
  parse: Parse<unknown>;
  takes: string;
  set(config: Config, value: never): void;
}

const key = <T>(
  takes: string,
  parse: Parse<T>,
  set: (config: Config, value: T) => void,
): Key => ({ takes, parse, set });

const BOOLEAN = "true or false";

const KEYS = new Map<string, Key>(
  Object.entries({
    "session.enabled": key(BOOLEAN, boolean, (c, v) => (c.session.enabled = v)),
    "session.audit": key(
      "strict or best-effort",
      oneOf("strict", "best-effort"),
      (c, v) => (c.session.audit = v),
    ),
    "session.banner": key(
      "full, line or none",
      oneOf("full", "line", "none"),
      (c, v) => (c.session.banner = v),
    ),
    "session.heartbeat": key(
      "a duration such as 30s",
      duration,
      (c, v) => (c.session.heartbeat_ms = v),
    ),
    "store.path": key(
      "an absolute path, or null",
      absolutePath,
      (c, v) => (c.store.path = v),
    ),
    "store.network_filesystem": key(
      BOOLEAN,
      boolean,
      (c, v) => (c.store.network_filesystem = v),
    ),
    cache_dir: key(
      "an absolute path, or null",
      absolutePath,
      (c, v) => (c.cache_dir = v),
    ),
  }),
);

interface ProfileKey {
  takes: string;
  parse: Parse<unknown>;
}

const PROFILE_KEYS = new Map<string, ProfileKey>(
  Object.entries({
    command: {
      takes: "a list of words",
      parse: (v) =>
        Array.isArray(v) &&
        v.length > 0 &&
        v.every((w) => typeof w === "string")
          ? v
          : undefined,
    },
    component: { takes: "a name", parse: text },
    metadata: {
      takes: "keys and values",
      parse: (v) =>
        v && typeof v === "object" && !Array.isArray(v) ? v : undefined,
    },
  }),
);

/** Without a home, nobody knows where to keep anything. */
const NO_HOME: Problem = {
  file: "the environment",
  text: null,
  path: ["HOME"],
  what: "is not set (or belongs to another user), and passwd names no home",
  mend: "set HOME, or SESSION_BUDDY_DATA_DIR",
};

const ETC_FILE = "/etc/session-buddy/config.yaml";

/**
 * The effective settings.
 * @param flagFile the value of --config
 */
export function loadSettings(
  env: Readonly<Record<string, string | undefined>>,
  flagFile?: string,
): Settings {
  const paths = resolvePaths(env);
  const problems: Problem[] = [];
  const config: Config = {
    session: {
      enabled: true,
      audit: "best-effort",
      banner: "full",
      heartbeat_ms: 30_000,
    },
    store: { path: null, network_filesystem: false },
    cache_dir: null,
    profiles: Object.create(null) as Record<string, Profile>,
  };
  readFile(ETC_FILE, false, config, problems);
  const hostAudit = config.session.audit;
  if (paths.config)
    readFile(`${paths.config}/config.yaml`, false, config, problems);
  const named = flagFile ?? (env["SESSION_BUDDY_CONFIG"] || undefined);
  if (named !== undefined) readFile(named, true, config, problems);
  readEnvironment(env, config, paths, problems);
  if (paths.data === null) problems.push(NO_HOME);
  // What the host demands, no user turns off.
  if (hostAudit === "strict") config.session.audit = "strict";
  return { config, paths, problems };
}

function readFile(
  file: string,
  required: boolean,
  config: Config,
  problems: Problem[],
): void {
  if (!required && isMissing(file)) return;
  let source: string;
  try {
    source = readText(file);
  } catch (error) {
    problems.push({
      file,
      text: null,
      path: [],
      what: `cannot be read: ${reasonOf(error)}`,
      mend: "check the path and its permissions",
    });
    return;
  }
  const report = (path: string[], what: string, mend: string) =>
    problems.push({ file, text: source, path, what, mend });
  let root: Json;
  try {
    root = Bun.YAML.parse(source) as Json;
  } catch (error) {
    report([], `is not YAML: ${reasonOf(error)}`, "mend the line");
    return;
  }
  if (root === null || root === undefined) return;
  readTree(root, [], config, report);
}

type Report = (path: string[], what: string, mend: string) => void;

function readTree(
  node: Json,
  path: string[],
  config: Config,
  report: Report,
): void {
  const name = path.join(".");
  const leaf = KEYS.get(name);
  if (leaf) {
    const value = leaf.parse(node);
    if (value === undefined)
      report(path, `takes ${leaf.takes}`, `not ${JSON.stringify(node)}`);
    else leaf.set(config, value as never);
    return;
  }
  if (name === "profiles") return readProfiles(node, config, report);
  const known = [...KEYS.keys()].filter(
    (k) => name === "" || k.startsWith(`${name}.`),
  );
  if (known.length === 0)
    return report(path, "is not a setting", `known: ${siblings(path)}`);
  if (!node || typeof node !== "object" || Array.isArray(node))
    return report(path, "takes keys and values", `known: ${known.join(", ")}`);
  for (const [child, value] of Object.entries(node))
    readTree(value, [...path, child], config, report);
}

/** The settings that a mistyped key may have meant. */
function siblings(path: string[]): string {
  const prefix = path.slice(0, -1).map((part) => `${part}.`);
  const names = [...KEYS.keys(), "profiles"]
    .filter((name) => name.startsWith(prefix.join("")))
    .map((name) => name.split(".").slice(0, path.length).join("."));
  return [...new Set(names)].join(", ");
}

function readProfiles(node: Json, config: Config, report: Report): void {
  if (!node || typeof node !== "object" || Array.isArray(node))
    return report(["profiles"], "takes a name and keys", "see the README");
  for (const [name, body] of Object.entries(node)) {
    const profile: Record<string, unknown> = {};
    if (!body || typeof body !== "object" || Array.isArray(body)) {
      report(["profiles", name], "takes keys and values", "see the README");
      continue;
    }
    for (const [field, value] of Object.entries(body)) {
      const path = ["profiles", name, field];
      const spec = PROFILE_KEYS.get(field);
      const known = [...PROFILE_KEYS.keys()].join(", ");
      if (!spec) report(path, "is not a profile setting", `known: ${known}`);
      else if (spec.parse(value) === undefined)
        report(path, `takes ${spec.takes}`, `not ${JSON.stringify(value)}`);
      else profile[field] = value;
    }
    config.profiles[name] = profile as Profile;
  }
}

function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  config: Config,
  paths: Paths,
  problems: Problem[],
): void {
  const report = (name: string, takes: string) =>
    problems.push({
      file: "the environment",
      text: null,
      path: [name],
      what: `takes ${takes}`,
      mend: `not '${env[name]}'`,
    });
  const path = (...names: string[]): string | null => {
    for (const name of names) {
      const value = env[name];
      if (value?.startsWith("/")) return value;
      if (value) report(name, "an absolute path");
    }
    return null;
  };
  const enabled = env["SESSION_BUDDY_SESSION_ENABLED"]?.toLowerCase();
  if (enabled && ["true", "1", "yes", "on"].includes(enabled))
    config.session.enabled = true;
  else if (enabled && ["false", "0", "no", "off"].includes(enabled))
    config.session.enabled = false;
  else if (enabled) report("SESSION_BUDDY_SESSION_ENABLED", BOOLEAN);
  paths.data = path("SESSION_BUDDY_DATA_DIR") ?? paths.data;
  config.store.path =
    path("SESSION_BUDDY_DB_PATH", "SESSION_BUDDY_DATABASE_PATH") ??
    config.store.path;
}

/**
 * A problem as a sentence: file, line, key. Only here the position is looked
 * up, with a parser that keeps it.
 */
export async function describe(problem: Problem): Promise<Failure> {
  const line = problem.text === null ? null : await lineOf(problem);
  const where = line === null ? problem.file : `${problem.file}:${line}`;
  const what = problem.path.length
    ? `${problem.path.join(".")} ${problem.what}`
    : problem.what;
  return new Failure("config", `${where}: ${what}`, problem.mend);
}

async function lineOf(problem: Problem): Promise<number> {
  const { LineCounter, isMap, isNode, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(problem.text!, { lineCounter: lines });
  const broken = document.errors[0];
  if (broken) return lines.linePos(broken.pos[0]).line;
  const parent = document.getIn(problem.path.slice(0, -1), true);
  const last = problem.path.at(-1);
  const items = isMap(parent) ? parent.items : [];
  const pair = items.find(({ key }) => String(key) === last);
  const range = isNode(pair?.key) ? pair.key.range : null;
  return lines.linePos(range?.[0] ?? 0).line;
}

/** @throws Failure (config) for the first problem */
export async function requireValid(settings: Settings): Promise<void> {
  if (settings.problems[0]) throw await describe(settings.problems[0]);
}
