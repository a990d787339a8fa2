/** The steps of a self-test: each looks at one thing, some need what others found. */
import { fail } from "../model/failure.ts";

export interface Step {
  /** snake_case; it stands in the JSON. */
  name: string;
  /** What is so when it passes, as a person is told. */
  says: string;
  /**
   * @returns what was found, in a few words
   * @throws Failure when it is not so
   */
  look(): string | Promise<string>;
}

/** What a step finds, for those after it. */
export class Found<T> {
  private value: T | undefined;

  /** @param by the step's name */
  constructor(private readonly by: string) {}

  set(value: T): T {
    return (this.value = value);
  }

  /** @throws Failure (unhealthy) when that step has failed */
  get(): T {
    if (this.value !== undefined) return this.value;
    throw fail.unhealthy(
      `not looked at, because ${this.by} failed`,
      `mend ${this.by} first`,
    );
  }
}

/** @throws Failure (unhealthy) */
export function require(holds: boolean, otherwise: string): void {
  if (!holds)
    throw fail.unhealthy(
      otherwise,
      "see: session-buddy doctor; then report it with this",
    );
}
