/**
 * Reads a plain tool call without the SDK, which would make a server and a transport
 * for each, and check the message a dozen times: one tool, in the form of 2025, with
 * nothing but a name and arguments. Whatever is unusual or wrong goes to the SDK,
 * whose words for it are the protocol's.
 */
import { toolNamed } from "../tools/catalog.ts";

export interface PlainCall {
  id: string | number;
  tool: string;
  /** As the tool's schema left them. */
  args: object;
}

/** Revisions whose calls stand alone. */
const REVISIONS = [null, "2025-03-26", "2025-06-18", "2025-11-25"];
/** Headers of the current revision, which say once more what the body says. */
const MODERN_HEADERS = ["mcp-method", "mcp-name"];
const MESSAGE_KEYS = ["jsonrpc", "id", "method", "params"];
const PARAMS_KEYS = ["name", "arguments"];

/**
 * @param message the parsed body
 * @param readOnly whether there are no tools that record
 * @returns null for what is to go to the SDK
 */
export function plainCall(
  { headers }: Request,
  message: object,
  readOnly: boolean,
): PlainCall | null {
  if (!REVISIONS.includes(headers.get("mcp-protocol-version"))) return null;
  if (MODERN_HEADERS.some((name) => headers.has(name))) return null;
  if (!hasOnly(message, MESSAGE_KEYS)) return null;
  const { jsonrpc, id, method, params } = message as Record<string, unknown>;
  if (jsonrpc !== "2.0" || method !== "tools/call") return null;
  if (typeof id !== "string" && !Number.isSafeInteger(id)) return null;
  if (!isObject(params) || !hasOnly(params, PARAMS_KEYS)) return null;
  const { name } = params;
  const given = params["arguments"] ?? {};
  const tool = typeof name === "string" ? toolNamed(name) : undefined;
  if (!tool || (readOnly && tool.access === "record")) return null;
  const read = isObject(given) ? tool.parse(given) : null;
  if (!read || !("args" in read)) return null;
  return { id: id as string | number, tool: tool.name, args: read.args };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function hasOnly(value: object, names: readonly string[]): boolean {
  for (const name in value) if (!names.includes(name)) return false;
  return true;
}
