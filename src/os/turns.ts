/** The next turn of the event loop: what waits for it is done before. */
export const nextTurn = (): Promise<void> =>
  new Promise((resolve) => setImmediate(resolve));

/** Turns of the event loop, one for each of those who have much to do. */
export class Turns {
  private last = Promise.resolve();

  /**
   * Resolves in a turn in which nobody else of these has work: whoever asks for little
   * is answered between.
   */
  next(): Promise<void> {
    return (this.last = this.last.then(nextTurn));
  }
}
