/** All rules, in the order in which they are tried. */
import { ARGUMENTS, PIPES } from "./arguments.ts";
import { ASSIGNMENTS } from "./assignments.ts";
import type { Rule } from "./rule.ts";
import { TOKENS } from "./tokens.ts";

/** What looks like nothing but randomness; `redact` asks how random it is. */
const OPAQUE: Rule = {
  ...{ name: "opaque", group: "opaque" },
  near: ["[a-z0-9_+=-]".repeat(26)],
  pattern: "(?<![\\w+/=.-])(?<s>[\\w+/-]{32,512}={0,2})(?![\\w/.+-])",
  examples: ["mytool login ‹Zk3Lm9QpX7vB¦2nR8tY4wE6uI1oA5sD0fGh›"],
};

export const RULES: readonly Rule[] = [
  ...TOKENS,
  ...ARGUMENTS,
  ...PIPES,
  ...ASSIGNMENTS,
  OPAQUE,
];
