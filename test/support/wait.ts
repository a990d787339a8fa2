/** Waiting for what happens in other processes: looked at again and again, never for a fixed time. */

const PATIENCE_MS = 20_000;

/** @throws Error naming what did not come */
export async function until<T>(
  what: string,
  look: () => T | null | undefined | false,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > deadline)
      throw new Error(`waited in vain for ${what}`);
    await Bun.sleep(2);
  }
}
