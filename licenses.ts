/** Gathers the licences of all that is built into the executable. */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import packageJson from "./package.json" with { type: "json" };

interface Package {
  name: string;
  version: string;
  license?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

/** Its own licence comes with it: https://github.com/oven-sh/bun. */
const RUNTIME = `Bun ${Bun.version}, the runtime (MIT), with JavaScriptCore and WebKit (LGPL-2.1),
and the libraries that https://bun.com/docs/project/licensing lists`;

/** @param root where package.json is */
export async function licenses(root: string): Promise<string> {
  const found = new Map<string, string>();
  for (const name of Object.keys(packageJson.dependencies))
    await gather(name, root, found);
  const texts = [...found.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, text]) => text);
  const own = await Bun.file(join(root, "LICENSE")).text();
  const parts = [titled("session-buddy", "MIT", own), RUNTIME, ...texts];
  return `${parts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}

/** One package and all that it needs, as far as it is installed for this platform. */
async function gather(
  name: string,
  from: string,
  found: Map<string, string>,
): Promise<void> {
  let file: string;
  try {
    file = Bun.resolveSync(`${name}/package.json`, from);
  } catch {
    file = join(from, "node_modules", name, "package.json");
  }
  // The bindings of other platforms are not there.
  if (!(await Bun.file(file).exists())) return;
  const folder = dirname(file);
  const { version, license, dependencies, optionalDependencies } =
    (await Bun.file(file).json()) as Package;
  const title = `${name} ${version}`;
  if (found.has(title)) return;
  const text = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  const words = text ? await Bun.file(join(folder, text)).text() : "";
  found.set(title, titled(title, license ?? "see below", words));
  for (const each of Object.keys({ ...dependencies, ...optionalDependencies }))
    await gather(each, folder, found);
}

const titled = (title: string, license: string, text: string): string =>
  `${title} (${license})${text === "" ? "" : `\n\n${text.trim()}`}`;
