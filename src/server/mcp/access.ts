/** What a JSON-RPC message asks for, by its method and its tool. */
import type { Access } from "../../auth/authorize.ts";
import { toolNamed } from "../tools/catalog.ts";
import { type Message, toolOf } from "./json-rpc.ts";

/** Methods that show nothing recorded. */
const PROTOCOL = new Set([
  ...["initialize", "ping", "server/discover"],
  ...["tools/list", "resources/list", "resources/templates/list"],
  "prompts/list",
]);

export function accessOf(message: Message): Access {
  const { method } = message;
  if (
    typeof method === "string" &&
    (PROTOCOL.has(method) || method.startsWith("notifications/"))
  )
    return "protocol";
  return toolNamed(toolOf(message))?.access ?? "read";
}
