/**
 * Long work under way: each piece by a connection of its own, beside all that is
 * written and read, and interrupted when the file is to be let go.
 */
import type { DuckDBConnection } from "@duckdb/node-api";

/** How long an interrupted statement may take to end before it is told again. */
const INTERRUPT_MS = 20;

export class Jobs {
  /** The connections that each uses. */
  private readonly running = new Map<Promise<unknown>, Set<DuckDBConnection>>();

  constructor(private readonly connect: () => Promise<DuckDBConnection>) {}

  /** @param work calls `joins` for connections elsewhere that it uses as well */
  async run<T>(
    work: (
      connection: DuckDBConnection,
      joins: (other: DuckDBConnection) => void,
    ) => Promise<T>,
  ): Promise<T> {
    const connection = await this.connect();
    const used = new Set([connection]);
    const job = work(connection, (other) => used.add(other));
    this.running.set(job, used);
    try {
      return await job;
    } finally {
      this.running.delete(job);
      connection.closeSync();
    }
  }

  /** Interrupts them, until none is left. */
  async end(): Promise<void> {
    while (this.running.size > 0) {
      // One statement ends by it; what comes after may have to be ended too.
      for (const used of this.running.values())
        for (const connection of used) connection.interrupt();
      await Promise.race([
        Promise.allSettled(this.running.keys()),
        Bun.sleep(INTERRUPT_MS),
      ]);
    }
  }
}
