/** How wide a terminal is. */
import { cLibrary } from "./libc.ts";

const SYMBOLS = {
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
} as const;
const TIOCGWINSZ = 0x5413;

/**
 * Asked of the terminal at this moment.
 * @returns columns, or null where it does not say
 */
export function terminalWidth(fd: number): number | null {
  const c = cLibrary(SYMBOLS);
  // The runtime's own stream makes the terminal non-blocking for everybody.
  if (!c) return null;
  // struct winsize: rows, columns, and two in pixels.
  const size = new Uint16Array(4);
  return c.ioctl(fd, TIOCGWINSZ, size) === 0 ? size[1]! || null : null;
}
