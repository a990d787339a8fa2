/** The corpora of redaction: commands with secrets in them, and harmless ones. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Row {
  text: string;
  /** Empty: it is harmless. */
  secrets: string[];
}

/** @param name `tuned`: the rules were made with it; `unseen`: they were not */
export function corpus(name: "tuned" | "unseen"): Row[] {
  const file = join(import.meta.dir, "../corpus", `${name}.tsv`);
  return readFileSync(file, "utf8")
    .replaceAll("¦", "")
    .split("\n")
    .filter((line) => /^[SH]\t/.test(line))
    .map((line) => {
      const [, text = "", ...secrets] = line
        .split("\t")
        .map((field) => field.replaceAll("\\n", "\n"));
      return { text, secrets };
    });
}

/** Whether a line of one of the secrets can be read in a text. */
export const leaks = ({ secrets }: Row, text: string): boolean =>
  secrets
    .flatMap((secret) => secret.split("\n"))
    .some((part) => part !== "" && text.includes(part));
