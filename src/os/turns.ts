/** Turns of the event loop, one for each of those who have much to do. */
export class Turns {
  private last = Promise.resolve();

  /**
   * Resolves in a turn in which nobody else of these has work: whoever asks for little
   * is answered between.
   */
  next(): Promise<void> {
    const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
    return (this.last = this.last.then(turn));
  }
}
