/**
 * A server that says who asks: run by the tests, with and without FFI. It
 * prints its port, then a line for each request: its path and its peer.
 *
 * A query asks about another connection: from, from_port, to, to_port.
 *
 * argv: the address to listen at.
 */
import { peerUid, tcpPeer } from "../../src/os/peer.ts";

const server: Bun.Server<undefined> = Bun.serve({
  hostname: process.argv[2]!,
  port: 0,
  idleTimeout: 60,
  fetch(request): Response {
    const { pathname, searchParams } = new URL(request.url);
    const given = (name: string) => searchParams.get(name);
    const local = {
      address: given("to") ?? process.argv[2]!,
      port: Number(given("to_port") ?? server.port),
    };
    const from = { address: given("from"), port: Number(given("from_port")) };
    const answer =
      from.address === null
        ? tcpPeer(() => server.requestIP(request), local)
        : { uid: peerUid({ ...from, address: from.address }, local) };
    console.log(JSON.stringify({ path: pathname, ...answer }));
    return Response.json(answer);
  },
});
console.log(JSON.stringify({ port: server.port }));
