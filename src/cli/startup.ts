/**
 * What `install` puts into a user's own files: a line in a shell's startup file, known
 * again by the mark that it ends with, and whole files, known by a mark in them.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { fail } from "../model/failure.ts";
import { writeOutput } from "../os/output.ts";
import { folderFailure, readFailure } from "../os/paths.ts";
import { note } from "./terminal.ts";

export type Environment = NodeJS.ProcessEnv;

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];
export const isShell = (text: string): text is Shell =>
  (SHELLS as readonly string[]).includes(text);

/** A path below a folder of the environment; null where that names none. */
export const below = (folder: string | undefined, name: string) =>
  folder?.startsWith("/") ? `${folder}/${name}` : null;

/** Below the folder where a user's programs keep data; null without a home. */
export const belowData = (env: Environment, name: string): string | null =>
  below(env["XDG_DATA_HOME"], name) ??
  below(env["HOME"], `.local/share/${name}`);

/** What a shell reads at its start; null without a home. */
export const STARTUP_FILES: Readonly<
  Record<Shell, (env: Environment) => string | null>
> = {
  bash: (env) => below(env["HOME"], ".bashrc"),
  zsh: (env) => below(env["ZDOTDIR"] || env["HOME"], ".zshrc"),
  fish: (env) =>
    below(env["XDG_CONFIG_HOME"], "fish/config.fish") ??
    below(env["HOME"], ".config/fish/config.fish"),
};

/** @throws Failure (config) without a home */
export function requireHome(path: string | null): string {
  if (path !== null) return path;
  throw fail.config("HOME is not set", "set it, or add the text yourself");
}

/**
 * Adds the line that ends with a mark to a file, or takes it out.
 * @param line null to take it out
 */
export async function changeLine(
  file: string,
  mark: string,
  line: string | null,
): Promise<void> {
  const old = readOwn(file);
  const lines = old.split("\n").filter((each) => !each.endsWith(mark));
  const without = lines.join("\n");
  const ended = without === "" || without.endsWith("\n");
  const text =
    line === null ? without : `${without}${ended ? "" : "\n"}${line}\n`;
  if (text === old)
    return note(
      `'${file}' has ${line === null ? "no such line" : "it already"}`,
    );
  await write(file, text);
  note(line === null ? `removed from '${file}'` : `added to '${file}'`);
}

/** @throws Failure (usage) for a file without the mark: it is somebody's */
export async function putFile(
  file: string,
  mark: string,
  text: string,
): Promise<boolean> {
  const old = readOwn(file);
  if (old === text) return false;
  if (existsSync(file)) requireOurs(file, old, mark);
  makeFolder(dirname(file));
  await write(file, text);
  return true;
}

/** @returns false when there is none */
export function removeFile(file: string, mark: string): boolean {
  if (!existsSync(file)) return false;
  requireOurs(file, readOwn(file), mark);
  rmSync(file);
  return true;
}

function requireOurs(file: string, text: string, mark: string): void {
  if (text.includes(mark)) return;
  throw fail.usage(
    `'${file}' is not of session-buddy's making`,
    "move it away first",
  );
}

const write = (file: string, text: string) =>
  writeOutput(
    file,
    () => {},
    async (output) => output.write(text),
  );

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw folderFailure(folder, error);
  }
}

/** @throws Failure (usage) where it would not come back byte for byte */
function readOwn(file: string): string {
  if (!existsSync(file)) return "";
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw readFailure(file, error);
  }
  const text = bytes.toString("utf8");
  if (Buffer.from(text).equals(bytes)) return text;
  throw fail.usage(
    `'${file}' is not UTF-8`,
    "change it yourself: without --write the text is printed",
  );
}
