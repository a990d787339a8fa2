/** Makes the banner that is shown before the wrapped shell's first prompt. */
import { escapeText } from "./escape.ts";

const RULE = "─".repeat(42);

interface BannerFacts {
  version: string;
  component: string;
  shell_type: string;
  /** What of the command line is recorded. */
  argv: "program" | "full" | "redacted";
  tracking: Tracking;
}

export type Tracking =
  | {
      session_id: string;
      /** Whether the shell's commands are recorded. */
      commands: boolean;
      /** Whether what the terminal shows is: by what, or why not; null: nobody asked for it. */
      screen: { by: string } | { not: string } | null;
    }
  | { disabled: string };

const ARGV_RECORDED = {
  program: "the program alone",
  full: "recorded in full",
  redacted: "recorded without secrets",
};

const commandsAre = (recorded: boolean) =>
  recorded ? "recorded" : "not recorded";

function screenIs(screen: { by: string } | { not: string }): string {
  if ("not" in screen) return `not recorded - ${escapeText(screen.not)}`;
  const by = screen.by && `, as configured for ${escapeText(screen.by)}`;
  return `recorded without secrets, what is typed is not${by}`;
}

export function fullBanner(facts: BannerFacts): string {
  const { version, component, shell_type, argv, tracking } = facts;
  const enabled = "session_id" in tracking;
  return [
    `Session-Buddy v${version} - Admin Shell`,
    RULE,
    `Component: ${escapeText(component)}   Shell: ${escapeText(shell_type)}`,
    `Session Tracking: ${enabled ? "✓ Enabled" : `✗ Disabled - ${escapeText(tracking.disabled)}`}`,
    ...(enabled
      ? [
          `Session ID: ${tracking.session_id}`,
          `Commands: ${commandsAre(tracking.commands)}   Command line: ${ARGV_RECORDED[argv]}`,
          ...(tracking.screen ? [`Screen: ${screenIs(tracking.screen)}`] : []),
        ]
      : []),
    RULE,
    "",
  ].join("\n");
}

export function lineBanner({ argv, tracking }: BannerFacts): string {
  return "session_id" in tracking
    ? `Session Tracking: ✓ Enabled  ${tracking.session_id}  (commands: ${commandsAre(tracking.commands)}; command line: ${ARGV_RECORDED[argv]}${tracking.screen ? `; screen: ${screenIs(tracking.screen)}` : ""})\n`
    : `Session Tracking: ✗ Disabled - ${escapeText(tracking.disabled)}\n`;
}
