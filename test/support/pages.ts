/** README.md and docs/ as their tests read them: what is fenced, under which heading. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

export interface Page {
  /** From the project's root: `README.md`, `docs/server.md`. */
  file: string;
  text: string;
}

export interface Section {
  page: string;
  /** The page's heading, those above it and its own: `Troubleshooting / The port is in use`. */
  name: string;
  /** All of it, but its subsections. */
  text: string;
}

export interface Block {
  page: string;
  section: string;
  language: string;
  /** Without the fences, with the last newline. */
  text: string;
}

/** The front page, then the others. */
export const PAGES: readonly Page[] = [
  "README.md",
  ...[...new Bun.Glob("docs/*.md").scanSync(ROOT)].sort(),
].map((file) => ({ file, text: readFileSync(join(ROOT, file), "utf8") }));
export const SECTIONS: readonly Section[] = PAGES.flatMap(sectionsOf);
export const BLOCKS: readonly Block[] = SECTIONS.flatMap(blocksOf);

/** @throws Error when there is none of this file */
export function page(file: string): Page {
  const found = PAGES.find((page) => page.file === file);
  if (!found) throw new Error(`there is no page '${file}'`);
  return found;
}

/** @throws Error when no page has one of this name */
export function section(name: string): Section {
  const found = SECTIONS.find((section) => section.name === name);
  if (!found) throw new Error(`no page has a section '${name}'`);
  return found;
}

/** The only block of a language that begins with these words. */
export function block(language: string, words: string): Block {
  const found = BLOCKS.filter(
    (block) => block.language === language && block.text.startsWith(words),
  );
  if (found.length !== 1)
    throw new Error(`${found.length} blocks of ${language} begin '${words}'`);
  return found[0]!;
}

/** The commands of a block as they are typed; one may go over many lines. */
export function commandsOf({ text }: Block): string[] {
  return text.trimEnd().split(/(?<!\\)\n/);
}

function sectionsOf({ file, text }: Page): Section[] {
  const sections: Section[] = [];
  const headings: string[] = [];
  let fenced = false;
  for (const line of text.split("\n")) {
    if (line.startsWith("```")) fenced = !fenced;
    const heading = fenced ? null : /^(#{1,3}) (.+)$/.exec(line);
    if (heading) {
      headings.splice(heading[1]!.length - 1, Infinity, heading[2]!);
      sections.push({ page: file, name: headings.join(" / "), text: "" });
    } else if (sections.length > 0) sections.at(-1)!.text += `${line}\n`;
    else throw new Error(`${file} does not begin with a heading`);
  }
  return sections;
}

function blocksOf({ page, name, text }: Section): Block[] {
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map((match) => ({
    ...{ page, section: name },
    language: match[1]!,
    text: match[2]!,
  }));
}
