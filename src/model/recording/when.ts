/** Of which sessions the screen is recorded: `session.record: {when: …}`. */
import { type Patterns, hasGlob, isAmong } from "../glob.ts";

/** What all of is to be so. */
export interface RecordWhen {
  component?: Patterns;
  user?: Patterns;
  /** Looked for anywhere in the command line, upper and lower case alike. */
  command?: Patterns;
}

export interface Recorded {
  component: string;
  user: string;
  /** The words that are run. */
  command: readonly string[];
}

/** The first condition of several that holds, in words; null: none does. */
export function recordedBy(
  conditions: readonly RecordWhen[],
  { component, user, command }: Recorded,
): string | null {
  const line = command.join(" ").toLowerCase();
  const found = conditions.find(
    (when) =>
      isAmong(component, when.component) &&
      isAmong(user, when.user) &&
      isAmong(line, when.command, hasGlob),
  );
  return found ? wordsOf(found) : null;
}

const wordsOf = (when: RecordWhen): string =>
  Object.entries(when)
    .map(([key, patterns]) => `${key} ${patterns.join(", ")}`)
    .join(" and ");
