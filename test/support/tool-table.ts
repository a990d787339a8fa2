/** The README's table of tools, made from the tools themselves. */
import { CATALOG } from "../../src/server/catalog.ts";
import type { ToolName } from "../../src/server/inputs.ts";
import { SCHEMAS } from "../../src/server/schema.ts";

/** Lines of Markdown, without the last newline; what may be left out ends in `?`. */
export function toolTable(): string {
  const rows = Object.entries(CATALOG).map(([name, { title, tracks }]) => {
    const schema = SCHEMAS[name as ToolName].input["~standard"].jsonSchema;
    const { properties = {}, required = [] } = schema.input({
      target: "draft-2020-12",
    }) as { properties?: object; required?: string[] };
    const args = Object.keys(properties).map((field) =>
      required.includes(field) ? `\`${field}\`` : `\`${field}?\``,
    );
    return `| \`${name}\` | ${title} | ${args.join(" ")} | ${tracks ? "records" : "reads"} |`;
  });
  return [
    "| tool | what it does | takes | |",
    "|---|---|---|---|",
    ...rows,
  ].join("\n");
}
