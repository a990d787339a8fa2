/**
 * Chance that can be repeated: a small seeded generator. Its seed is printed,
 * and SEED in the environment sets it.
 */
export class Random {
  private state: number;

  constructor(readonly seed: number) {
    this.state = seed >>> 0;
  }

  /** A seed of our own or the one that SEED asks for, printed for `what`. */
  static seeded(what: string): Random {
    const seed = Number(
      process.env["SEED"] ?? crypto.getRandomValues(new Uint32Array(1))[0],
    );
    console.log(`${what}: SEED=${seed}`);
    return new Random(seed);
  }

  /** In [0, 1): mulberry32. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [from, to]. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(0, from.length - 1)]!;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.int(0, i);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }

  /** The items in order, cut into runs of any length. */
  batches<T>(items: readonly T[]): T[][] {
    const out: T[][] = [];
    for (let at = 0; at < items.length;) {
      const length = this.int(1, items.length - at);
      out.push(items.slice(at, at + length));
      at += length;
    }
    return out;
  }

  hex(digits: number): string {
    return Array.from({ length: digits }, () =>
      this.int(0, 15).toString(16),
    ).join("");
  }

  /** In the form of a UUID; the version is as given. */
  uuid(version = 4): string {
    return `${this.hex(8)}-${this.hex(4)}-${version}${this.hex(3)}-a${this.hex(3)}-${this.hex(12)}`;
  }
}
