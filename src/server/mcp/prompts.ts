/** Gives the prompts to the MCP SDK: their arguments, and what they come to as messages. */
import {
  type GetPromptResult,
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  completable,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { Failure } from "../../model/failure.ts";
import { PROMPTS } from "../prompts/catalog.ts";
import type { Ask, Prompt } from "../prompts/prompt.ts";

/** The sessions that the beginning of a reference may mean. */
type Complete = (reference: string | undefined) => Promise<string[]>;

export function registerPrompts(
  server: McpServer,
  ask: Ask,
  complete: Complete,
): void {
  for (const prompt of PROMPTS) {
    const { name, title, description } = prompt;
    const argsSchema = argumentsOf(prompt, complete);
    server.registerPrompt(name, { title, description, argsSchema }, (args) =>
      messagesOf(prompt, args as Record<string, string>, ask),
    );
  }
}

/** Made for each server: what completes an argument asks for its caller. */
function argumentsOf({ takes }: Prompt, complete: Complete) {
  const shape: Record<string, z.ZodType> = {};
  for (const [name, { description, required, names }] of Object.entries(
    takes,
  )) {
    const text = z.string().describe(description);
    const type = required ? text : text.optional();
    shape[name] = names === "session" ? completable(type, complete) : type;
  }
  return z.strictObject(shape);
}

/** @throws ProtocolError with what is wrong with an argument, in the tools' words */
async function messagesOf(
  { name, make, takes, description }: Prompt,
  given: Readonly<Record<string, string>>,
  ask: Ask,
): Promise<GetPromptResult> {
  // Who fills in a form leaves blank what may be left out.
  const args = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value?.trim()),
  );
  for (const [argument, { required }] of Object.entries(takes))
    if (required && !(argument in args))
      throw invalid(`the prompt ${name} needs ${argument}`);
  const { question, enclosed } = await make(args, ask).catch(asAnswered);
  const messages: GetPromptResult["messages"] = [
    { role: "user", content: { type: "text", text: question } },
  ];
  for (const { name: file, value } of enclosed) {
    const uri = `session-buddy://prompts/${name}/${file}`;
    const text = JSON.stringify(value);
    const resource = { uri, mimeType: "application/json", text };
    messages.push({ role: "user", content: { type: "resource", resource } });
  }
  return { description, messages };
}

const invalid = (sentence: string) =>
  new ProtocolError(ProtocolErrorCode.InvalidParams, sentence);

/** What the person who asked can mend. */
const THEIRS: ReadonlySet<string> = new Set([
  ...["refused", "usage", "not_found", "ambiguous"],
]);

function asAnswered(error: unknown): never {
  if (error instanceof Failure && THEIRS.has(error.code))
    throw invalid(error.message);
  throw error;
}
