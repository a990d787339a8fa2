/**
 * Gives the tools to the MCP SDK: title, hints, and schemas in its form. Made once,
 * because a server is made for every request.
 */
import type {
  StandardSchemaWithJSON,
  ToolAnnotations,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import type { JsonObject } from "../../model/event.ts";
import { TOOLS } from "../tools/catalog.ts";
import type { Tool } from "../tools/tool.ts";

type Schema = StandardSchemaWithJSON;

/** What the SDK is told of each tool. */
export const CONFIGS = TOOLS.map((tool) => ({
  name: tool.name,
  records: tool.access === "record",
  config: {
    title: tool.title,
    description: tool.description,
    inputSchema: inputOf(tool),
    // It is our own work, so tests check it and not each call.
    outputSchema: standard(
      (value) => ({ value }),
      () => jsonSchema(tool.output, "output", open),
    ),
    annotations: hintsOf(tool),
  },
}));

/** What a client may assume of a call. Most recording is idempotent by event id. */
function hintsOf({ access, again = "same" }: Tool): ToolAnnotations {
  return {
    readOnlyHint: access !== "record",
    destructiveHint: false,
    idempotentHint: again === "same",
    openWorldHint: false,
  };
}

/** What a tool takes: parsed, and refused in words where it does not fit. */
function inputOf({ input, parse }: Tool): Schema {
  return standard(
    (value) => {
      const read = parse(value);
      return "args" in read
        ? { value: read.args }
        : { issues: [{ message: read.problem }] };
    },
    () => jsonSchema(input, "input", plain),
  );
}

/** @param make its JSON form, made once, when first asked for */
function standard(
  validate: Schema["~standard"]["validate"],
  make: () => JsonObject,
): Schema {
  let made: JsonObject | null = null;
  const json = () => (made ??= make());
  const jsonSchema = { input: json, output: json };
  return {
    "~standard": { version: 1, vendor: "session-buddy", validate, jsonSchema },
  };
}

type Override = NonNullable<z.core.ToJSONSchemaParams["override"]>;

function jsonSchema(
  schema: z.ZodType,
  io: "input" | "output",
  override: Override,
): JsonObject {
  const json = z.toJSONSchema(schema, { io, unrepresentable: "any", override });
  // Validators of older clients know none of 2020.
  delete json.$schema;
  return json as JsonObject;
}

/** Without the bounds that JavaScript itself sets to whole numbers. */
const plain: Override = ({ jsonSchema: json }) => {
  if (json.minimum === Number.MIN_SAFE_INTEGER) delete json.minimum;
  if (json.maximum === Number.MAX_SAFE_INTEGER) delete json.maximum;
};

/** Later versions add fields: nobody may rely on there being no others. */
const open: Override = (context) => {
  plain(context);
  if (context.jsonSchema.additionalProperties === false)
    delete context.jsonSchema.additionalProperties;
};
