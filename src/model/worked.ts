/**
 * Milliseconds that this process has worked, all threads together: what may take so much
 * work has it on a busy machine, too, where others have their turns meanwhile.
 */
export function workedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
