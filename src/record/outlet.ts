/** Writes to a descriptor that does not block: what it does not take yet waits. */
import { EAGAIN, EINTR } from "../os/constants.ts";
import type { Libc } from "../os/libc.ts";

const NOTHING = new Uint8Array();

export class Outlet {
  private rest: Uint8Array = NOTHING;
  /** Nobody reads it any more: what is written is lost. */
  private gone = false;

  constructor(
    private readonly c: Libc,
    readonly fd: number,
  ) {}

  /** Whether something waits. */
  get waits(): boolean {
    return this.rest.length > 0;
  }

  /** @param bytes may be used again by the caller */
  put(bytes: Uint8Array): void {
    if (this.waits) {
      this.rest = Buffer.concat([this.rest, bytes]);
      return;
    }
    const left = this.write(bytes);
    this.rest = left.length > 0 ? left.slice() : NOTHING;
  }

  /** Lets go of what waits. */
  take(): Uint8Array {
    const { rest } = this;
    this.rest = NOTHING;
    return rest;
  }

  /** Writes what waits, as far as it is taken. */
  flush(): void {
    this.rest = this.write(this.rest);
  }

  /** @returns what was not taken yet */
  private write(bytes: Uint8Array): Uint8Array {
    let left = bytes;
    while (left.length > 0 && !this.gone) {
      const wrote = this.c.calls.write(this.fd, left, left.length);
      if (wrote === left.length) return NOTHING;
      if (wrote > 0) left = left.subarray(wrote);
      else {
        const errno = this.c.errno();
        if (errno === EAGAIN) return left;
        if (errno !== EINTR) this.gone = true;
      }
    }
    return NOTHING;
  }
}
