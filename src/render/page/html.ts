/**
 * HTML and SVG, made of templates in which every value is text unless it is HTML
 * itself: what others recorded cannot become markup, whoever writes a template.
 */
import { escapeText } from "../escape.ts";

export class Html {
  constructor(readonly text: string) {}
}

type Value = string | number | Html | readonly Html[] | null;

/** `markup`, of which a null is nothing. */
export function markup(
  parts: TemplateStringsArray,
  ...values: readonly Value[]
): Html {
  const text = parts.map((part, i) =>
    i === 0 ? part : textOf(values[i - 1]!) + part,
  );
  return new Html(text.join(""));
}

function textOf(value: Value): string {
  if (value === null) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "number") return String(Number(value.toFixed(2)));
  if (typeof value === "string") return escapeHtml(escapeText(value));
  return value.map(({ text }) => text).join("");
}

const ENTITIES: Record<string, string> = {
  ...{ "&": "&amp;", "<": "&lt;", ">": "&gt;" },
  ...{ '"': "&quot;", "'": "&#39;", "`": "&#96;" },
};

const escapeHtml = (text: string): string =>
  text.replace(/[&<>"'`]/g, (character) => ENTITIES[character]!);
