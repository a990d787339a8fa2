/**
 * A check looks at one thing. What is well it says in a few words; what is not
 * it throws as the failure that anybody would meet there, sentence and mend.
 */
import { Failure, errnoOf, fail, reasonOf } from "../model/failure.ts";

export interface Check {
  /** snake_case; it stands in the JSON. */
  name: string;
  /** @throws Failure when it is not well */
  look(): string | Promise<string>;
  /** Mends what `look` failed on, where that can do no harm. */
  mend?(): void | Promise<void>;
}

export interface CheckResult {
  name: string;
  status: "pass" | "fail";
  detail: string;
  /** What to do; null when all is well. */
  fix: string | null;
  /** Whether it failed, and was mended just now. */
  fixed: boolean;
}

/** @param mend whether to mend what can be mended, and look again */
export async function run(check: Check, mend: boolean): Promise<CheckResult> {
  const first = await lookOnce(check);
  if (first.status === "pass" || !mend || !check.mend) return first;
  try {
    await check.mend();
  } catch (error) {
    return { ...first, detail: `${first.detail}; ${reasonOf(error)}` };
  }
  const second = await lookOnce(check);
  return { ...second, fixed: second.status === "pass" };
}

async function lookOnce({ name, look }: Check): Promise<CheckResult> {
  try {
    const detail = await look();
    return { name, status: "pass", detail, fix: null, fixed: false };
  } catch (error) {
    const failure = error instanceof Failure ? error : inTheWay(error);
    return {
      ...{ name, status: "fail", fixed: false },
      detail: failure?.sentence ?? `unexpected: ${reasonOf(error)}`,
      fix: failure?.hint ?? "please report it with the whole output",
    };
  }
}

/** What stands where a folder belongs is no surprise. */
function inTheWay(error: unknown): Failure | null {
  if (errnoOf(error) !== "ENOTDIR") return null;
  return fail.permission(
    `something that is no folder stands where one belongs: ${reasonOf(error)}`,
    "move it away",
  );
}
