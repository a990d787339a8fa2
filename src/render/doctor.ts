/** What the doctor found, for a person. */
import { escapeText } from "./escape.ts";

/** One check as it came out. */
export interface Finding {
  name: string;
  status: "pass" | "fail";
  detail: string;
  fix: string | null;
  fixed: boolean;
}

const MARK = { pass: "✓", fail: "✗" };
const COLOR = { pass: "\x1b[32m", fail: "\x1b[31m" };

/** @param phase snake_case, as in the JSON */
export function phaseTitle(phase: string): string {
  const words = phase.replaceAll("_", " ");
  return `${words[0]!.toUpperCase()}${words.slice(1)}\n`;
}

export function findingLines(finding: Finding, color: boolean): string {
  const { name, status, detail, fix, fixed } = finding;
  const mark = color ? `${COLOR[status]}${MARK[status]}\x1b[0m` : MARK[status];
  const line = `  ${mark} ${name}: ${escapeText(detail)}${fixed ? " (mended)" : ""}\n`;
  return fix === null ? line : `${line}      → ${escapeText(fix)}\n`;
}
