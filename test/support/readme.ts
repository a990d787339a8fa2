/** The README as its tests read it: what is fenced, and under which heading. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const README_FILE = join(import.meta.dir, "../../README.md");
export const README = readFileSync(README_FILE, "utf8");

export interface Section {
  /** The headings above it and its own: `Troubleshooting / The port is in use`. */
  name: string;
  /** All of it, but its subsections. */
  text: string;
}

export interface Block {
  section: string;
  language: string;
  /** Without the fences, with the last newline. */
  text: string;
}

export const SECTIONS: readonly Section[] = sectionsOf(README);
export const BLOCKS: readonly Block[] = SECTIONS.flatMap(blocksOf);

/** @throws Error when the README has none of this name */
export function section(name: string): Section {
  const found = SECTIONS.find((section) => section.name === name);
  if (!found) throw new Error(`the README has no section '${name}'`);
  return found;
}

/** The commands of a block as they are typed; one may go over many lines. */
export function commandsOf({ text }: Block): string[] {
  return text.trimEnd().split(/(?<!\\)\n/);
}

function sectionsOf(text: string): Section[] {
  const sections: Section[] = [{ name: "", text: "" }];
  const headings: string[] = [];
  let fenced = false;
  for (const line of text.split("\n")) {
    if (line.startsWith("```")) fenced = !fenced;
    const heading = fenced ? null : /^(#{2,3}) (.+)$/.exec(line);
    if (heading) {
      headings.splice(heading[1]!.length - 2, Infinity, heading[2]!);
      sections.push({ name: headings.join(" / "), text: "" });
    } else sections.at(-1)!.text += `${line}\n`;
  }
  return sections;
}

function blocksOf({ name, text }: Section): Block[] {
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map((match) => ({
    section: name,
    language: match[1]!,
    text: match[2]!,
  }));
}
