/** Ports of this host for servers that a test starts by itself. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Below those that the system gives to connections: one of these may come to use a port
 * before, or between, the starts of a server.
 */
const [FIRST_PORT, LAST_PORT] = [10_000, 32_000];

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    const server = createServer();
    const is_free = await new Promise<boolean>((done) => {
      server.once("error", () => done(false));
      server.listen(port, "127.0.0.1", () => done(true));
    });
    if (!is_free) continue;
    await new Promise<unknown>((done) => server.close(done));
    return port;
  }
}
