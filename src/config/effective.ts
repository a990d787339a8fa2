/** The settings that hold, each with where it comes from. */
import type { Json } from "../model/event.ts";
import { type Config, KEYS, VARIABLES } from "./keys.ts";
import { type Origin, type Settings, lineOf, wholeSettings } from "./load.ts";

export interface Effective {
  key: string;
  value: Json;
  /** `default`, a variable, or a file and the line in it. */
  from: string;
}

/** What is set by variables and stands in no list of keys, but for its name. */
const SECRETS = {
  SESSION_BUDDY_SECRET: "auth.secret",
  SESSION_BUDDY_TOKEN: "auth.token",
  SESSION_BUDDY_ALERT_KEY: "alerts.key",
};

/**
 * @param flagFile the value of --config
 * @returns the settings with their problems, and the values that hold by their names
 */
export async function effectiveSettings(
  env: Readonly<Record<string, string | undefined>>,
  flagFile?: string,
): Promise<{ settings: Settings; values: Effective[] }> {
  const origins = new Map<string, Origin>();
  const settings = await wholeSettings(env, flagFile, (name, origin) =>
    origins.set(name, origin),
  );
  const { config, paths, alerts, export_to } = settings;
  const values: Effective[] = [];
  const add = async (key: string, value: Json) => {
    const origin = origins.get(key);
    values.push({
      key,
      value,
      from: origin ? await fromOf(origin) : "default",
    });
  };
  const names = [...KEYS.values(), ...VARIABLES.values()].map(
    ({ name }) => name,
  );
  for (const name of new Set(names)) await add(name, valueOf(config, name));
  for (const { name, source } of config.redaction.patterns)
    await add(`redaction.patterns.${name}`, source);
  for (const [name, profile] of Object.entries(config.profiles))
    await add(`profiles.${name}`, profile as Json);
  for (const [name, destination] of Object.entries(export_to))
    await add(`export_to.${name}`, { ...destination });
  for (const [key, value] of Object.entries(alerts?.given ?? {}))
    await add(key, value);
  // Only that they are set: whoever looks over a shoulder learns nothing.
  for (const [variable, key] of Object.entries(SECRETS))
    if (env[variable]) values.push({ key, value: "(set)", from: variable });
  const given = env["SESSION_BUDDY_DATA_DIR"];
  values.push({
    ...{ key: "data_dir", value: paths.data },
    from: given && given === paths.data ? "SESSION_BUDDY_DATA_DIR" : "default",
  });
  return { settings, values };
}

async function fromOf(origin: Origin): Promise<string> {
  const { file, text, path } = origin;
  return text === null || path.length === 0
    ? file
    : `${file}:${await lineOf(origin)}`;
}

/** As a configuration file has it. */
function valueOf(config: Config, name: string): Json {
  const path = name.split(".");
  const last = path.pop()!;
  let group = config as unknown as Record<string, unknown>;
  for (const part of path) group = group[part] as Record<string, unknown>;
  const key = last in group ? last : `${last}_ms`;
  const value = group[key] as Json;
  if (key === last || value === null) return value;
  return durationText(Number(value));
}

/** `30s`, `2m`, `24h`: what a file takes for it. */
function durationText(ms: number): string {
  const units = [
    ...([
      ["h", 3_600_000],
      ["m", 60_000],
      ["s", 1_000],
    ] as const),
  ];
  const [unit, of] = units.find(([, of]) => ms % of === 0) ?? ["ms", 1];
  return `${ms / of}${unit}`;
}
