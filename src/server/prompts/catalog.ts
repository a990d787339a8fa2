/** The prompts, in the order in which clients list them. */
import { handOver } from "./hand-over.ts";
import type { Prompt } from "./prompt.ts";
import { whatFailed } from "./what-failed.ts";
import { whatHappened } from "./what-happened.ts";
import { whoWasIn } from "./who-was-in.ts";

export const PROMPTS: readonly Prompt[] = [
  whatFailed,
  whoWasIn,
  whatHappened,
  handOver,
];
