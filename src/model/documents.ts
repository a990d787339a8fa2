/** Small texts by name, each replaced whole: what a server keeps beside its events. */
export interface Documents {
  /** Where they stand, for people. */
  readonly place: string;
  /** Makes the place. @throws Failure (permission, storage) where it cannot be used */
  make(): void;
  /**
   * The texts of some names, in no order.
   * @param unreadable is told of those that cannot be read, which are left out
   * @throws Failure (permission) where others rule the place
   */
  all(
    chosen: (name: string) => boolean,
    unreadable: Unreadable,
  ): Promise<ReadonlyMap<string, string>>;
  /**
   * @returns null where there is none
   * @throws Error where it cannot be read
   */
  read(name: string): Promise<string | null>;
  /** Resolves once it is durable. @throws Displaced, and nothing is written */
  write(name: string, text: string): Promise<void>;
  /** Also where there is none. @throws Displaced */
  remove(name: string): Promise<void>;
}

export type Unreadable = (name: string, reason: string) => void;

/** What may be written by whoever has a duty is another's to write by now. */
export class Displaced extends Error {
  constructor() {
    super("another server does this now");
  }
}
