/**
 * The README's table of tools, made from what the server lists.
 * `bun test/support/tool-table.ts` writes it into the README.
 */
import { writeFileSync } from "node:fs";
import { McpEndpoint } from "../../src/server/mcp/endpoint.ts";
import { README, README_FILE } from "./readme.ts";

/** Of `tools/list`, what the table shows. */
export interface ListedTool {
  name: string;
  title?: string;
  inputSchema: { properties?: object; required?: string[] };
  annotations?: { readOnlyHint?: boolean };
}

const TABLE = /(<!-- tools -->\n)[^]*?(<!-- \/tools -->)/;

/** Lines of Markdown that a formatter leaves alone, without the last newline. */
export function toolTable(tools: readonly ListedTool[]): string {
  const rows = tools.map(({ name, title, inputSchema, annotations }) => {
    const { properties = {}, required = [] } = inputSchema;
    const args = Object.keys(properties).map((field) =>
      required.includes(field) ? `\`${field}\`` : `\`${field}?\``,
    );
    const does = annotations?.readOnlyHint ? "reads" : "records";
    return `| \`${name}\` | ${title} | ${does} | ${args.join(" ")} |`;
  });
  return [
    "<!-- prettier-ignore -->",
    "| tool | what for | | takes |",
    "|---|---|---|---|",
    ...rows,
  ].join("\n");
}

/** The README with this table in it. */
export function withTable(readme: string, table: string): string {
  return readme.replace(TABLE, (_, begin, end) => `${begin}${table}\n\n${end}`);
}

/** What this checkout's server lists. */
async function ownTools(): Promise<ListedTool[]> {
  const nobody = () => Promise.reject(new Error("no tool is called"));
  const options = { readOnly: false, version: "0" };
  const endpoint = new McpEndpoint({ call: nobody }, options);
  const response = await endpoint.handle(
    new Request("http://localhost/mcp", {
      method: "POST",
      headers: { "content-type": "application/json" },
    }),
    { jsonrpc: "2.0", id: 1, method: "tools/list" },
    {
      ...{ via: "socket", uid: null, address: null, loopback: true },
      ...{ token: null, request_id: "" },
    },
  );
  const { result } = (await response.json()) as {
    result: { tools: ListedTool[] };
  };
  return result.tools;
}

if (import.meta.main)
  writeFileSync(README_FILE, withTable(README, toolTable(await ownTools())));
