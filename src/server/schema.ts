/**
 * The tools' schemas in the form that the SDK takes: how to check a value, and
 * the same as JSON. Made once: a server is made for every request.
 */
import type { StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import { z } from "zod";
import type { JsonObject } from "../model/event.ts";
import { INPUTS, type ToolName } from "./inputs.ts";
import { OUTPUTS } from "./outputs.ts";

type Schema = StandardSchemaWithJSON;

/** What a tool takes: parsed, and refused by name where it does not fit. */
function input(schema: z.ZodType): Schema {
  return standard(
    (value) => schema["~standard"].validate(value),
    () => jsonSchema(schema, "input", plain),
  );
}

/** What a tool gives. It is our own work, so tests check it and not each call. */
function output(schema: z.ZodType): Schema {
  return standard(
    (value) => ({ value }),
    () => jsonSchema(schema, "output", open),
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

export const SCHEMAS = Object.fromEntries(
  Object.entries(INPUTS).map(([tool, schema]) => [
    tool,
    { input: input(schema), output: output(OUTPUTS[tool as ToolName]) },
  ]),
) as Record<ToolName, { input: Schema; output: Schema }>;
