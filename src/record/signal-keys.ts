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
    const quotes = flags & ICANON && flags & IEXTEN ? keyOf(modes, VLNEXT) : 0;
    const found: number[] = [];
    for (const key of keys) {
      const signal = this.quoted ? 0 : signalOf(key, modes);
      if (signal !== 0) found.push(signal);
      this.quoted = !this.quoted && quotes !== NO_KEY && key === quotes;
    }
    return found;
  }
}

/** @returns 0: it sends none */
function signalOf(key: number, modes: Modes): number {
  if (key === NO_KEY) return 0;
  for (let i = 0; i < SENT.length; i++)
    if (keyOf(modes, SENT[i]![0]) === key) return SENT[i]![1];
  return 0;
}

/** Whether a program has changed its terminal as only those do that read keys from it. */
export const asksForKeys = (modes: Modes, given: Modes): boolean =>
  ((localModes(modes) ^ localModes(given)) & (ICANON | ECHO)) !== 0;
