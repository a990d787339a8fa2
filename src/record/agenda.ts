/** What is to be done later, while no event loop runs. */
export class Agenda {
  private readonly steps: { at: number; step: () => void }[] = [];

  after(ms: number, step: () => void): void {
    this.steps.push({ at: Bun.nanoseconds() + ms * 1e6, step });
    this.steps.sort((a, b) => a.at - b.at);
  }

  /** When the next one is due, as `Bun.nanoseconds()` counts; Infinity: none is. */
  get next_at(): number {
    return this.steps[0]?.at ?? Infinity;
  }

  runDue(): void {
    while (this.next_at <= Bun.nanoseconds()) this.steps.shift()!.step();
  }
}
