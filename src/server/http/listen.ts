/** The certificate to listen with, and why an address cannot be listened on. */
import { Failure, errnoOf, reasonOf } from "../../model/failure.ts";
import { portHolder } from "../../os/port.ts";
import { readTrusted } from "../../os/trust.ts";

/**
 * The certificate and its key, as the settings name them.
 * @throws Failure (permission) when others could have written one
 */
export function tlsFiles({
  cert,
  key,
}: {
  cert: string | null;
  key: string | null;
}) {
  const read = (path: string | null) =>
    new TextDecoder().decode(readTrusted(path!));
  return { cert: read(cert), key: read(key) };
}

/** Why an address could not be listened on, and the way out. */
export function listenFailure(
  host: string,
  port: number | "auto",
  error: unknown,
): Failure {
  if (error instanceof Failure) return error;
  if (errnoOf(error) !== "EADDRINUSE" || port === "auto")
    return new Failure(
      "config",
      `the server cannot listen on '${host}' port ${port}: ${reasonOf(error)}`,
      "check server.host, server.port and server.tls",
      { cause: error },
    );
  const holder = portHolder(port);
  const who = holder
    ? `pid ${holder.pid}, ${holder.command}`
    : "a program that we may not look at";
  return new Failure(
    "port_taken",
    `port ${port} belongs to another program (${who})`,
    `end it, or choose another port: --port auto`,
    { cause: error },
  );
}
