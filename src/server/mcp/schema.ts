/**
 * The tools' schemas in the form that the SDK takes: how to check a value, and
 * the same as JSON. Made once: a server is made for every request.
 */
import type { StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import { z } from "zod";
import type { JsonObject } from "../../model/event.ts";
import { INPUTS, type ToolName } from "../tools/fields.ts";
import { OUTPUTS } from "../tools/session-output.ts";
import { inWords } from "../../model/words.ts";

type Schema = StandardSchemaWithJSON;

/**
 * What a tool takes: parsed, and refused in words where it does not fit. A
 * client that sends all that it has sends null for what may be left out.
 */
function input(schema: z.ZodObject): Schema {
  const optional = Object.keys(schema.shape).filter((name) => {
    const { success: without } = schema.shape[name]!.safeParse(undefined);
    return without && !schema.shape[name]!.safeParse(null).success;
  });
  return standard(
    (value) => {
      const read = schema.safeParse(withoutNull(value, optional));
      if (read.success) return { value: read.data };
      return { issues: [{ message: inWords(read.error.issues, value) }] };
    },
    () => jsonSchema(schema, "input", plain),
  );
}

function withoutNull(value: unknown, names: readonly string[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  const given = value as Record<string, unknown>;
  const nulls = names.filter((name) => given[name] === null);
  if (nulls.length === 0) return value;
  return Object.fromEntries(
    Object.entries(given).filter(([name]) => !nulls.includes(name)),
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
