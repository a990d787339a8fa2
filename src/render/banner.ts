/**
 * What a person sees before the wrapped shell's first prompt.
 */
import { escapeText } from "./escape.ts";

const RULE = "─".repeat(42);

export interface BannerFacts {
  version: string;
  component: string;
  shell_type: string;
  tracking: { session_id: string } | { disabled: string };
}

export function fullBanner(facts: BannerFacts): string {
  const { version, component, shell_type, tracking } = facts;
  const enabled = "session_id" in tracking;
  return [
    `Session-Buddy v${version} - Admin Shell`,
    RULE,
    `Component: ${escapeText(component)}   Shell: ${escapeText(shell_type)}`,
    `Session Tracking: ${enabled ? "✓ Enabled" : `✗ Disabled - ${escapeText(tracking.disabled)}`}`,
    ...(enabled
      ? [`Session ID: ${tracking.session_id}`, "Commands: not recorded"]
      : []),
    RULE,
    "",
  ].join("\n");
}

export function lineBanner({ tracking }: BannerFacts): string {
  return "session_id" in tracking
    ? `Session Tracking: ✓ Enabled  ${tracking.session_id}  (commands: not recorded)\n`
    : `Session Tracking: ✗ Disabled - ${escapeText(tracking.disabled)}\n`;
}
