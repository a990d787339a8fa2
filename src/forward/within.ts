/** A limit of time for work that need not hear of it: what hangs in the kernel does not. */

/** @throws Error when it is not done by the signal */
export async function within(
  signal: AbortSignal,
  work: Promise<void> | null,
): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const end = () =>
    reject(new Error("nothing was taken in time", { cause: signal.reason }));
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  await Promise.race([work, promise]).finally(() =>
    signal.removeEventListener("abort", end),
  );
}
