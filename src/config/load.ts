/**
 * Loads the settings: defaults, then /etc, then the user's file, then --config or
 * SESSION_BUDDY_CONFIG, then the environment; each command puts its flags on top.
 * Nothing below the working directory is read.
 *
 * Loading never throws: it gives a list of problems beside the values that hold,
 * because a broken file must not keep users from their shell. Commands other than
 * `shell` refuse to go on (`validSettings`).
 */
import type { AlertConfig } from "../model/alert.ts";
import type { DestinationSettings } from "./destinations.ts";
import type { Json } from "../model/event.ts";
import type { Choice } from "../model/redaction/custom.ts";
import { Failure, reasonOf, fail } from "../model/failure.ts";
import { isMissing } from "../os/file.ts";
import { type Paths, resolvePaths, socketPath } from "../os/paths.ts";
import { machineId } from "../os/proc.ts";
import { readTrusted } from "../os/trust.ts";
import { type Config, VARIABLES, defaults } from "./keys.ts";
import { readTree, shown } from "./tree.ts";

export type { Config, Profile } from "./keys.ts";

/** One thing wrong: where (a file and the keys down to it, or a variable) and what. */
interface Problem {
  file: string;
  text: string | null;
  path: string[];
  what: string;
  hint: string;
}

export interface Settings {
  config: Config;
  paths: Paths;
  problems: Problem[];
  /** null where nobody has read them, or nothing is said of them: see `wholeSettings`. */
  alerts: AlertConfig | null;
  /** Where a server sends every event to, by name; empty where nobody has read it. */
  export_to: Readonly<Record<string, DestinationSettings>>;
}

/** Without a home, nobody knows where to keep anything. */
export const NO_HOME: Problem = {
  file: "the environment",
  text: null,
  path: ["HOME"],
  what: "is not set (or belongs to another user), and passwd names no home",
  hint: "set HOME, or SESSION_BUDDY_DATA_DIR",
};

/** Each half may come from a file of its own: no line is the wrong one. */
const HALF_TLS: Problem = {
  file: "the configuration",
  text: null,
  path: ["server.tls"],
  what: "takes cert and key together",
  hint: "set both, or neither",
};

const TWO_STORES: Problem = {
  file: "the configuration",
  text: null,
  path: ["store"],
  what: "has a url and a path: the database is one of them",
  hint: "set store.url or store.path to null",
};

const ETC_FILE = "/etc/session-buddy/config.yaml";

/** Where a value stands: a file and the keys down to it, or a variable. */
export interface Origin {
  file: string;
  text: string | null;
  path: string[];
}

/** Hears of each value that is taken: what came last holds. */
type Hears = (name: string, origin: Origin) => void;

/**
 * The effective settings.
 * @param flagFile the value of --config
 */
export function loadSettings(
  env: Readonly<Record<string, string | undefined>>,
  flagFile?: string,
  hears: Hears = () => {},
): Settings {
  const paths = resolvePaths(env);
  const problems: Problem[] = [];
  const config = defaults();
  readFile(ETC_FILE, false, config, problems, hears);
  const hostAudit = config.session.audit;
  if (paths.config)
    readFile(`${paths.config}/config.yaml`, false, config, problems, hears);
  const named = flagFile ?? (env["SESSION_BUDDY_CONFIG"] || undefined);
  if (named !== undefined) readFile(named, true, config, problems, hears);
  readEnvironment(env, config, paths, problems, hears);
  if (paths.data === null) problems.push(NO_HOME);
  // The default place by its own name is the default: it has but one lock.
  if (config.store.path === `${paths.data}/sessions.duckdb`)
    config.store.path = null;
  if (config.store.path !== null && config.store.url !== null)
    problems.push(TWO_STORES);
  const { cert, key } = config.server.tls;
  if ((cert === null) !== (key === null)) problems.push(HALF_TLS);
  // What the host demands, no user turns off.
  if (hostAudit === "strict" && config.session.audit !== "strict") {
    config.session.audit = "strict";
    hears("session.audit", { file: ETC_FILE, text: null, path: [] });
  }
  return { config, paths, problems, alerts: null, export_to: {} };
}

/**
 * The effective settings with what a wrapper has no use for, and what is wrong in it.
 * @param flagFile the value of --config
 */
export async function wholeSettings(
  env: Readonly<Record<string, string | undefined>>,
  flagFile?: string,
  hears?: Hears,
): Promise<Settings> {
  const settings = loadSettings(env, flagFile, hears);
  const { config, problems } = settings;
  if (config.export_to.length > 0) {
    const { readDestinations } = await import("./destinations.ts");
    settings.export_to = readDestinations(config.export_to);
  }
  if (config.alerts.length === 0) return settings;
  const { readAlerts } = await import("./alerts.ts");
  settings.alerts = readAlerts(config.alerts, (problem) =>
    problems.push({ file: "the configuration", text: null, ...problem }),
  );
  return settings;
}

function readFile(
  file: string,
  required: boolean,
  config: Config,
  problems: Problem[],
  hears: Hears,
): void {
  if (!required && isMissing(file)) return;
  let source: string;
  try {
    // The user gives --config relative to the working directory.
    const path = file.startsWith("/") ? file : `${process.cwd()}/${file}`;
    source = new TextDecoder().decode(readTrusted(path));
  } catch (error) {
    const failure = error instanceof Failure ? error : null;
    problems.push({
      file,
      text: null,
      path: [],
      what: `cannot be read: ${failure?.sentence ?? reasonOf(error)}`,
      hint: failure?.hint ?? "check the path and its permissions",
    });
    return;
  }
  const report = (path: string[], what: string, hint: string) =>
    problems.push({ file, text: source, path, what, hint });
  let root: Json;
  try {
    root = Bun.YAML.parse(source) as Json;
  } catch (error) {
    report([], `is not YAML: ${reasonOf(error)}`, "mend the line");
    return;
  }
  if (root === null || root === undefined) return;
  readTree(root, [], config, report, (name, path) =>
    hears(name, { file, text: source, path }),
  );
}

/**
 * What redaction is to do; null, and nothing may be kept that could hold a
 * secret, where nobody can tell because the configuration is broken.
 */
export const redactionOf = ({ config, problems }: Settings): Choice | null =>
  problems.some(({ path }) => path.length === 0 || path[0] === "redaction")
    ? null
    : config.redaction;

function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  config: Config,
  paths: Paths,
  problems: Problem[],
  hears: Hears,
): void {
  const report = (name: string, takes: string) =>
    problems.push({
      file: "the environment",
      text: null,
      path: [name],
      what: `takes ${takes}`,
      hint: `not '${shown(env[name]!)}'`,
    });
  for (const [name, variable] of VARIABLES) {
    const given = env[name];
    if (!given) continue;
    const value = variable.parse(given);
    if (value === undefined) report(name, variable.takes);
    else {
      variable.set(config, value as never);
      hears(variable.name, { file: name, text: null, path: [] });
    }
  }
  const data = env["SESSION_BUDDY_DATA_DIR"];
  if (data && !data.startsWith("/"))
    report("SESSION_BUDDY_DATA_DIR", "an absolute path");
  else if (data && data !== paths.data) {
    paths.data = data;
    paths.state = `${data}/state`;
  }
}

/**
 * The folder that `recordings/` is in: this host's, or one that servers share.
 * @param settings with a data folder
 */
export const recordingsRoot = ({ config, paths }: Settings): string =>
  config.store.recordings ?? paths.data!;

/**
 * Where a running server is found, and what it leaves. The same `store.lock`
 * means the same paths: a database that was put elsewhere has its state beside it.
 * @param settings valid ones, see `validSettings`
 */
export function statePaths({ config, paths }: Settings) {
  const { store, log } = config;
  const root = store.path === null ? paths.state! : `${store.path}.state`;
  const folder = `${root}/${machineId()}`;
  return {
    /** This machine's state folder; the server makes it, private. */
    folder,
    /** In a private folder of its own or the one above: check that one too. */
    socket: socketPath(folder),
    logs: log.folder ?? `${folder}/logs`,
  };
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
  return fail.config(`${where}: ${what}`, problem.hint);
}

/** In a file; 1 where it is not found. */
export async function lineOf(problem: Origin): Promise<number> {
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

/**
 * The effective settings, for a command that wants them right.
 * @param flagFile the value of --config
 * @throws Failure (config) naming file, line and key
 */
export async function validSettings(
  env: Readonly<Record<string, string | undefined>>,
  flagFile?: string,
): Promise<Settings> {
  const settings = await wholeSettings(env, flagFile);
  if (settings.problems[0]) throw await describe(settings.problems[0]);
  return settings;
}
