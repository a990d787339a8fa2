/** A semaphore, first come first served. */

/** How long is waited at most, and what is thrown then. */
export interface Patience {
  ms: number;
  late: () => Error;
}

export class Gate {
  private readonly waiting = new Set<() => void>();

  /** @param free how many may work at a time */
  constructor(private free: number) {}

  async pass<T>(work: () => Promise<T>, patience?: Patience): Promise<T> {
    if (this.free > 0) this.free--;
    else await this.turn(patience);
    try {
      return await work();
    } finally {
      const [next] = this.waiting;
      if (next) next();
      else this.free++;
    }
  }

  private async turn(patience?: Patience): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => this.waiting.delete(go);
    const go = () => {
      leave();
      resolve();
    };
    this.waiting.add(go);
    if (!patience) return promise;
    const timer = setTimeout(() => {
      leave();
      reject(patience.late());
    }, patience.ms);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }
}
