/** The issues of a schema as sentences: `event_id is required`. */

/** As zod and others that follow Standard Schema have it. */
interface Issue {
  readonly message: string;
  readonly path?:
    readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  code?: string;
  expected?: string;
  format?: string;
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

const FORMATS: Record<string, string> = { guid: "UUID" };

/**
 * One sentence for all that is wrong.
 * @param value what was checked
 * @param prefix put before each name: `params.`
 * @param whole what is said for the value itself
 */
export function inWords(
  issues: readonly object[],
  value: unknown,
  { prefix = "", whole = "it" }: { prefix?: string; whole?: string } = {},
): string {
  return issues
    .map((issue) => sentenceOf(issue as Issue, value, prefix, whole))
    .join("; ");
}

function sentenceOf(
  issue: Issue,
  value: unknown,
  prefix: string,
  whole: string,
): string {
  const path = (issue.path ?? []).map((part) =>
    typeof part === "object" ? part.key : part,
  );
  const name = path.length === 0 ? whole : `${prefix}${path.join(".")}`;
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
    case "invalid_format":
      return `${name} must be a ${FORMATS[issue.format!] ?? issue.format}`;
    case "custom": {
      const [, shape] = /^expected (.*)/.exec(issue.message) ?? [];
      return shape === undefined
        ? `${name}: ${issue.message}`
        : `${name} must be ${shape}, not ${kindOf(found)}`;
    }
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
