/**
 * What a schema found wrong, in words for people: `event_id is required`.
 */

/** As zod tells it, and whoever follows Standard Schema. */
interface Issue {
  readonly message: string;
  readonly path?:
    readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  code?: string;
  expected?: string;
  values?: readonly unknown[];
  keys?: readonly string[];
  minimum?: number | bigint;
  maximum?: number | bigint;
}

const KINDS: Record<string, string> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "an object",
  record: "an object",
  array: "an array",
};

/**
 * One sentence for all that is wrong.
 * @param value what was checked
 * @param prefix put before each name: `params.`
 */
export function inWords(
  issues: readonly object[],
  value: unknown,
  prefix = "",
): string {
  return issues
    .map((issue) => sentenceOf(issue as Issue, value, prefix))
    .join("; ");
}

function sentenceOf(issue: Issue, value: unknown, prefix: string): string {
  const path = (issue.path ?? []).map((part) =>
    typeof part === "object" ? part.key : part,
  );
  const name = `${prefix}${path.join(".")}` || "it";
  const found = path.reduce<unknown>(
    (from, key) => (from as Record<PropertyKey, unknown> | null)?.[key],
    value,
  );
  if (found === undefined) return `${name} is required`;
  const { code, expected, values, keys, minimum, maximum } = issue;
  switch (code) {
    case "unrecognized_keys":
      return `there is no ${keys!.map((key) => `'${prefix}${[...path, key].join(".")}'`).join(", ")} here`;
    case "invalid_value":
      return `${name} must be ${values!.map((word) => `'${String(word)}'`).join(" or ")}`;
    case "invalid_type":
      return `${name} must be ${KINDS[expected!] ?? expected}, not ${kindOf(found)}`;
    case "too_small":
      return `${name} must ${counted(found)} at least ${minimum}`;
    case "too_big":
      return `${name} must ${counted(found)} at most ${maximum}`;
    case "custom":
      return `${name} must be ${issue.message.replace(/^expected /, "")}, not ${kindOf(found)}`;
    default:
      return `${name} is not of a form that is known here`;
  }
}

const counted = (found: unknown) =>
  typeof found === "number" ? "be" : Array.isArray(found) ? "hold" : "have";

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "number")
    return Number.isInteger(value) ? "a number" : "a fraction";
  return KINDS[typeof value] ?? typeof value;
}
