/**
 * The connections of one pool to one host. One is made when it is needed: the driver's own
 * pool makes all at once, and a command that asks one question needs one.
 */
export class Clients {
  private readonly all = new Set<Bun.SQL>();
  /** Those that nobody uses, the last used last. */
  private readonly idle: Bun.SQL[] = [];
  /** Who waits for one of those that are in use. */
  private readonly waiting: (() => void)[] = [];

  /** @param connect makes one that connects when something is asked for */
  constructor(private readonly connect: () => Bun.SQL) {}

  has(client: Bun.SQL): boolean {
    return this.all.has(client);
  }

  take(): Bun.SQL {
    const client = this.idle.pop() ?? this.connect();
    this.all.add(client);
    return client;
  }

  giveBack(client: Bun.SQL): void {
    if (!this.all.has(client)) return;
    this.idle.push(client);
    this.waiting.shift()?.();
  }

  /**
   * Gives up one that the server has no place for, and waits for another.
   * @returns false where none is in use
   */
  async without(client: Bun.SQL): Promise<boolean> {
    this.all.delete(client);
    void client.close({ timeout: 0 }).catch(() => {});
    if (this.all.size > this.idle.length) {
      await new Promise<void>((done) => this.waiting.push(done));
      return true;
    }
    this.wake();
    return false;
  }

  /** What still runs fails. */
  async close(): Promise<void> {
    const clients = [...this.all];
    this.all.clear();
    this.idle.length = 0;
    this.wake();
    await Promise.all(clients.map((client) => client.close({ timeout: 0 })));
  }

  private wake(): void {
    for (const go of this.waiting.splice(0)) go();
  }
}
