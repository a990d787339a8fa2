/** The results of the doctor's checks, for a person. */
import type { CheckResult } from "../doctor/check.ts";
import { escapeText } from "./escape.ts";

const MARK = { pass: "✓", fail: "✗" };
const COLOR = { pass: "\x1b[32m", fail: "\x1b[31m" };

/** @param phase snake_case, as in the JSON */
export function phaseTitle(phase: string): string {
  const words = phase.replaceAll("_", " ");
  return `${words[0]!.toUpperCase()}${words.slice(1)}\n`;
}

export function findingLines(result: CheckResult, color: boolean): string {
  const { name, status, detail, fix, fixed } = result;
  const mark = color ? `${COLOR[status]}${MARK[status]}\x1b[0m` : MARK[status];
  const line = `  ${mark} ${name}: ${escapeText(detail)}${fixed ? " (mended)" : ""}\n`;
  return fix === null ? line : `${line}      → ${escapeText(fix)}\n`;
}
