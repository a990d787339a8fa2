/** A check of the doctor looks at one thing; it throws the failure a command would meet. */
import { Failure, errnoOf, fail, reasonOf } from "../model/failure.ts";

export interface Check {
  /** snake_case; it stands in the JSON. */
  name: string;
  /**
   * @returns what is well, in a few words
   * @throws Failure when it is not well
   */
  look(): string | Promise<string>;
  /** Mends what `look` failed on, where that does no harm. */
  fix?(): void | Promise<void>;
}

export interface CheckResult {
  name: string;
  status: "pass" | "fail";
  detail: string;
  /** What to do; null when all is well. */
  fix: string | null;
  /** Whether it failed, and was mended. */
  fixed: boolean;
}

/** @param fix whether to mend what can be mended, and look again */
export async function run(check: Check, fix: boolean): Promise<CheckResult> {
  const first = await lookOnce(check);
  if (first.status === "pass" || !fix || !check.fix) return first;
  try {
    await check.fix();
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

function inTheWay(error: unknown): Failure | null {
  if (errnoOf(error) !== "ENOTDIR") return null;
  return fail.permission(
    `something that is no folder stands where one belongs: ${reasonOf(error)}`,
    "move it away",
  );
}
