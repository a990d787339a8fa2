/** Regular expressions as they are promised to whoever searches: RE2's, in any store. */
export interface Patterns {
  /** @throws Failure (refused) when it is none */
  require(pattern: string): Promise<void>;
  /**
   * What matches in each text, in the order of the text; null where nothing does.
   * @param most matches that are looked for in a text
   */
  matches(
    pattern: string,
    texts: readonly string[],
    most: number,
  ): Promise<(readonly string[] | null)[]>;
}
