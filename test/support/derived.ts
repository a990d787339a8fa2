/**
 * What in the pages is derived: the tables of commands and of tools, and the
 * pictures of the front page. `bun run docs` writes it, from what dist/ does.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Page, PAGES } from "./pages.ts";
import { withPictures } from "./pictures.ts";
import { Sandbox } from "./sandbox.ts";
import { TestServer } from "./server.ts";

/** Of `tools/list`, what the table shows. */
interface ListedTool {
  name: string;
  title?: string;
  inputSchema: { properties?: object; required?: string[] };
  annotations?: { readOnlyHint?: boolean };
}

/** A page as it has to be. */
export async function derived({ file, text }: Page): Promise<string> {
  if (file === "README.md") return withPictures(text);
  if (file === "docs/commands.md")
    return withTable(text, "commands", commandTable(await listedCommands()));
  if (file === "docs/server.md")
    return withTable(text, "tools", toolTable(await listedTools()));
  return text;
}

function withTable(text: string, name: string, rows: string[]): string {
  const place = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
  if (!place.test(text)) throw new Error(`no page has <!-- ${name} -->`);
  const table = ["<!-- prettier-ignore -->", ...rows].join("\n");
  return text.replace(place, (_, begin, end) => `${begin}${table}\n\n${end}`);
}

function toolTable(tools: readonly ListedTool[]): string[] {
  const rows = tools.map(({ name, title, inputSchema, annotations }) => {
    const { properties = {}, required = [] } = inputSchema;
    const args = Object.keys(properties).map((field) =>
      required.includes(field) ? `\`${field}\`` : `\`${field}?\``,
    );
    const does = annotations?.readOnlyHint ? "reads" : "records";
    return `| \`${name}\` | ${title} | ${does} | ${args.join(" ")} |`;
  });
  return ["| tool | what for | | takes |", "|---|---|---|---|", ...rows];
}

async function listedTools(): Promise<ListedTool[]> {
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const list = { jsonrpc: "2.0", id: 1, method: "tools/list" };
  const response = await server.post(list);
  const answer = (await response.json()) as { result: { tools: ListedTool[] } };
  return answer.result.tools;
}

function commandTable(commands: readonly [string, string][]): string[] {
  const rows = commands.map(([name, does]) => `| \`${name}\` | ${does} |`);
  return ["| command | what it does |", "|---|---|", ...rows];
}

/** The overview's commands, each with its line. */
async function listedCommands(): Promise<[name: string, does: string][]> {
  using sandbox = new Sandbox();
  const { stdout } = await sandbox.run(["--help"]);
  const overview = stdout.split("COMMANDS\n")[1]!.split("\n\n")[0]!;
  return overview
    .replace(/\n {4,}/g, " ")
    .split("\n")
    .map((line) => line.trim().split(/ {2,}/) as [string, string]);
}

if (import.meta.main)
  for (const page of PAGES) {
    const text = await derived(page);
    if (text !== page.text)
      writeFileSync(join(import.meta.dir, "../..", page.file), text);
  }
