/** What is said when what waits in the spool has not come to the store. */
import { Failure } from "./model/failure.ts";

/** To who wants all of it there. @throws Failure (timeout) */
export function refuseLate(why: string): never {
  throw new Failure(
    "timeout",
    why,
    "mend that, or end who holds it; nothing is lost, events wait in the spool",
  );
}

/** Each call of a server says it again. */
export function once(
  tell: (sentence: string) => void,
): (sentence: string) => void {
  const said = new Set<string>();
  return (sentence) => {
    if (!said.has(sentence)) tell(sentence);
    said.add(sentence);
  };
}
