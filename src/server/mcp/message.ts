/**
 * Checks a JSON-RPC message before the SDK sees it, over HTTP and stdio alike:
 * what the SDK would drop without a word, or answer with a dump of its schema, is
 * answered here. What many clients write for "nothing" (null) is taken.
 */
import {
  type SpecTypeName,
  specTypeSchemas,
} from "@modelcontextprotocol/server";
import { inWords } from "../../model/words.ts";
import { INVALID_PARAMS, INVALID_REQUEST, type Message } from "./json-rpc.ts";

/** An error to answer with. */
export interface Wrong {
  code: number;
  message: string;
}

const PARAMS: Record<string, SpecTypeName> = {
  initialize: "InitializeRequestParams",
  "tools/call": "CallToolRequestParams",
  "tools/list": "PaginatedRequestParams",
  "resources/list": "PaginatedRequestParams",
  "resources/templates/list": "PaginatedRequestParams",
  "resources/read": "ReadResourceRequestParams",
  "prompts/list": "PaginatedRequestParams",
  "prompts/get": "GetPromptRequestParams",
  "completion/complete": "CompleteRequestParams",
};

/**
 * The message as the library takes it.
 * @returns what is wrong with it, when it is a request that cannot be answered
 */
export async function readMessage(
  given: Message,
): Promise<{ message: Message } | Wrong> {
  const { jsonrpc, id, method, params, ...rest } = given;
  // An answer of the client's.
  if (method === undefined && ("result" in rest || "error" in rest))
    return { message: given };
  const invalid = (message: string) => ({ code: INVALID_REQUEST, message });
  if (jsonrpc !== "2.0") return invalid(`jsonrpc must be "2.0"`);
  if (typeof method !== "string")
    return invalid(
      method === undefined ? "method is required" : "method must be a string",
    );
  const isRequest = "id" in given;
  if (isRequest && typeof id !== "string" && !Number.isSafeInteger(id))
    return invalid("id must be a string or a whole number");
  const isNothing = params === undefined || params === null;
  if (!isNothing && (typeof params !== "object" || Array.isArray(params)))
    return { code: INVALID_PARAMS, message: "params must be an object" };
  const own: Message = { jsonrpc, method };
  if (isRequest) own["id"] = id;
  if (!isNothing) own["params"] = withArguments(method, params as Message);
  const wrong = isRequest ? await wrongParams(method, own) : null;
  return wrong ?? { message: own };
}

/** A call with nothing for arguments has none. */
function withArguments(method: string, params: Message): Message {
  return method === "tools/call" && (params["arguments"] ?? null) === null
    ? { ...params, arguments: {} }
    : params;
}

async function wrongParams(
  method: string,
  message: Message,
): Promise<Wrong | null> {
  const type = Object.hasOwn(PARAMS, method) ? PARAMS[method]! : null;
  if (type === null) return null;
  const params = message["params"] ?? {};
  const { issues } = await specTypeSchemas[type]["~standard"].validate(params);
  if (!issues) return null;
  const text = inWords(issues, params, { prefix: "params." });
  return { code: INVALID_PARAMS, message: text };
}
