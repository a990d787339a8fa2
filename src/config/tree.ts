/** Reads the keys and values of one configuration file into the settings. */
import type { Json } from "../model/event.ts";
import { readPattern } from "../model/redaction/custom.ts";
import { readRecordWhen } from "./record-when.ts";
import { type Config, KEYS, PROFILE_KEYS, type Profile } from "./keys.ts";

/** What was given, but for a password in a URL. */
export const shown = (given: string) =>
  given.replace(/\/\/.*@/gs, "//…@").replace(/([?&]password=)[^&"]*/gi, "$1…");

/** Is told what is wrong with the value at a path, and what to do. */
type Report = (path: string[], what: string, hint: string) => void;
/** Is told of each value that is taken. */
type Took = (name: string, path: string[]) => void;

export function readTree(
  node: Json,
  path: string[],
  config: Config,
  report: Report,
  took: Took,
): void {
  const name = path.join(".");
  const leaf = KEYS.get(name);
  if (name === "session.record" && node && typeof node === "object") {
    const when = readRecordWhen(node, report);
    if (when === null) return;
    config.session.record = { when };
    return took(name, path);
  }
  if (leaf) {
    const value = leaf.parse(node);
    if (value === undefined)
      report(path, `takes ${leaf.takes}`, `not ${shown(JSON.stringify(node))}`);
    else {
      leaf.set(config, value as never);
      took(name, path);
    }
    return;
  }
  if (name === "redaction.patterns")
    return readPatterns(node, config, report, took);
  // Nothing, also of what a file before this one says.
  if ((name === "alerts" || name === "export_to") && node === null)
    return void config[name].splice(0);
  if (name === "alerts" || name === "export_to")
    return void config[name].push({ node, report, took });
  if (name === "profiles") return readProfiles(node, config, report, took);
  // Asked of them all at once: a wrapper's start calls nothing dozens of times.
  const isGroup = `\n${[...KEYS.keys()].join("\n")}`.includes(`\n${name}.`);
  if (name !== "" && !isGroup)
    return report(path, "is not a setting", `known: ${siblings(path)}`);
  if (!node || typeof node !== "object" || Array.isArray(node)) {
    const known = [...KEYS.keys()].filter(
      (k) => name === "" || k.startsWith(`${name}.`),
    );
    return report(path, "takes keys and values", `known: ${known.join(", ")}`);
  }
  for (const [child, value] of Object.entries(node))
    readTree(value, [...path, child], config, report, took);
}

/** The settings that a mistyped key may have meant. */
function siblings(path: string[]): string {
  const prefix = path.slice(0, -1).map((part) => `${part}.`);
  const names = [
    ...KEYS.keys(),
    "redaction.patterns",
    "profiles",
    "export_to",
    "alerts",
  ]
    .filter((name) => name.startsWith(prefix.join("")))
    .map((name) => name.split(".").slice(0, path.length).join("."));
  return [...new Set(names)].join(", ");
}

/** Those of each file come on top of the others': a user takes none of the host's away. */
function readPatterns(
  node: Json,
  config: Config,
  report: Report,
  took: Took,
): void {
  const place = ["redaction", "patterns"];
  if (!node || typeof node !== "object" || Array.isArray(node))
    return report(
      place,
      "takes names and regular expressions",
      "see docs/redaction.md",
    );
  const patterns = [...config.redaction.patterns];
  for (const [name, source] of Object.entries(node)) {
    const pattern = readPattern(name, source);
    if (typeof pattern === "string")
      report([...place, name], pattern, "see docs/redaction.md");
    else {
      patterns.push(pattern);
      took(`redaction.patterns.${name}`, [...place, name]);
    }
  }
  config.redaction = { ...config.redaction, patterns };
}

function readProfiles(
  node: Json,
  config: Config,
  report: Report,
  took: Took,
): void {
  if (!node || typeof node !== "object" || Array.isArray(node))
    return report(
      ["profiles"],
      "takes a name and keys",
      "see docs/settings.md",
    );
  for (const [name, body] of Object.entries(node)) {
    const profile: Record<string, unknown> = {};
    if (!body || typeof body !== "object" || Array.isArray(body)) {
      report(
        ["profiles", name],
        "takes keys and values",
        "see docs/settings.md",
      );
      continue;
    }
    for (const [field, value] of Object.entries(body)) {
      const path = ["profiles", name, field];
      const spec = PROFILE_KEYS.get(field);
      const known = [...PROFILE_KEYS.keys()].join(", ");
      if (!spec) report(path, "is not a profile setting", `known: ${known}`);
      else if (spec.parse(value) === undefined)
        report(
          path,
          `takes ${spec.takes}`,
          `not ${shown(JSON.stringify(value))}`,
        );
      else profile[field] = value;
    }
    config.profiles[name] = profile as Profile;
    took(`profiles.${name}`, ["profiles", name]);
  }
}
