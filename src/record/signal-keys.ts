/** Tells from keys that are passed to a program's terminal which signals they send there. */
import { SIGNALS } from "../os/signals.ts";
import {
  ECHO,
  ICANON,
  IEXTEN,
  ISIG,
  type Modes,
  keyOf,
  localModes,
} from "../os/pty.ts";

const VINTR = 0;
const VQUIT = 1;
const VSUSP = 10;
const VLNEXT = 15;
/** Which key it is that has none. */
const NO_KEY = 0;

const SENT: readonly [key: number, signal: number][] = [
  [VINTR, SIGNALS.SIGINT],
  [VQUIT, SIGNALS.SIGQUIT],
  [VSUSP, SIGNALS.SIGTSTP],
];

export class SignalKeys {
  /** The key before took the meaning of the next one away (Ctrl-V). */
  private quoted = false;

  /** The signals that these keys send, in that order. */
  in(keys: Uint8Array, modes: Modes): number[] {
    const flags = localModes(modes);
    if (!(flags & ISIG)) {
      this.quoted = false;
      return [];
    }
    const signals = new Map(
      SENT.map(([key, signal]) => [keyOf(modes, key), signal] as const),
    );
    signals.delete(NO_KEY);
    const quotes = flags & ICANON && flags & IEXTEN ? keyOf(modes, VLNEXT) : 0;
    const found: number[] = [];
    for (const key of keys) {
      const signal = this.quoted ? undefined : signals.get(key);
      if (signal !== undefined) found.push(signal);
      this.quoted = !this.quoted && quotes !== NO_KEY && key === quotes;
    }
    return found;
  }
}

/** Whether a program has changed its terminal as only those do that read keys from it. */
export const asksForKeys = (modes: Modes, given: Modes): boolean =>
  ((localModes(modes) ^ localModes(given)) & (ICANON | ECHO)) !== 0;
