/** Maps Linux's signal names to their numbers (the generic ABI: x86, arm, riscv). */

export const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

/** `SIGKILL` for 9; a real-time signal goes by its number: `SIG34`. */
export function signalName(number: number): string {
  for (const [name, value] of Object.entries(SIGNALS))
    if (value === number) return name;
  return `SIG${number}`;
}

/** The C library's own two: its posix_spawn(3) leaves them ignored unless told otherwise. */
export const LIBC_OWN: readonly number[] = [32, 33];
