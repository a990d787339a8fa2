/** `session-buddy install man`: the manual pages. */
import { readdirSync } from "node:fs";
import { errnoOf, fail } from "../../model/failure.ts";
import { readFailure } from "../../os/paths.ts";
import { split } from "../../render/help.ts";
import {
  MAN_MARK,
  commandPage,
  overviewPage,
  pageFile,
} from "../../render/man.ts";
import { COMMIT_DATE, VERSION } from "../../version.ts";
import { type Catalog, defineCommand } from "../args.ts";
import { belowData, putFile, removeFile, requireHome } from "../startup.ts";
import { note, print } from "../terminal.ts";

export default defineCommand({
  description: `Prints a manual page: session-buddy(1), or that of a command.

--write puts all of them into man/man1 below ~/.local/share (XDG_DATA_HOME),
where man looks when ~/.local/bin is in PATH, or MANPATH names it. Written
again, those of a command that there is no more are removed.

EXAMPLES
  session-buddy install man --write
  session-buddy install man list-sessions | man -l -
  session-buddy install man --remove`,
  args: {
    command: {
      type: "positional",
      multiple: true,
      description: "Of this command (default: the overview)",
    },
    write: {
      type: "boolean",
      description: "Put all to their place in your home",
    },
    remove: { type: "boolean", description: "Take them away again" },
  },
  async run({ command, write, remove }, catalog) {
    if (write && remove)
      throw fail.usage("--write and --remove are both given", "give one");
    const pages = await pagesOf(catalog);
    if (!write && !remove) {
      const name = command.join(" ");
      const full = catalog.aliases.get(name) ?? name;
      const text = pages.get(pageFile(full || null));
      if (text === undefined) await catalog.find(name);
      return print(text ?? pages.get(pageFile(null))!);
    }
    if (command.length > 0)
      throw fail.usage(
        "--write and --remove are for all pages",
        "leave the command out",
      );
    const folder = requireHome(belowData(process.env, "man/man1"));
    if (remove) {
      const gone = oursIn(folder).filter((file) => removeFile(file, MAN_MARK));
      return note(`removed from '${folder}': ${gone.length} pages`);
    }
    for (const [name, text] of pages)
      await putFile(`${folder}/${name}`, MAN_MARK, text);
    for (const file of oursIn(folder))
      if (!pages.has(file.slice(folder.length + 1))) removeFile(file, MAN_MARK);
    note(`in '${folder}': ${pages.size} pages`);
  },
});

const BUILD = { version: VERSION, date: COMMIT_DATE };

async function pagesOf(catalog: Catalog): Promise<Map<string, string>> {
  const { names, groups, about } = catalog;
  const all = await Promise.all(
    names.map(async (name) => [name, await catalog.find(name)] as const),
  );
  const summaries = all.map(
    ([name, { description }]) =>
      [name, split(description)[0].replace(/\.$/, "")] as const,
  );
  const pages = new Map([
    [pageFile(null), overviewPage(about, summaries, BUILD)],
  ]);
  for (const [name, command] of all) {
    const [group] = name.split(" ", 1);
    const beside = groups.has(group!)
      ? names.filter((each) => each.startsWith(`${group} `) && each !== name)
      : [];
    const page = commandPage(name, command, BUILD, ["", ...beside]);
    pages.set(pageFile(name), page);
  }
  return pages;
}

/** The pages with names such as ours; none where there is no such folder. */
function oursIn(folder: string): string[] {
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw readFailure(folder, error);
  }
  return names
    .filter((name) => /^session-buddy(-[a-z-]+)?\.1$/.test(name))
    .map((name) => `${folder}/${name}`);
}
