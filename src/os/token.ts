/**
 * Tokens as our own clients make and send them: short JWTs signed by HS256, by
 * the runtime's own hash, for the wrapper may need one. Verifying is the
 * server's.
 */
import { Failure } from "../model/failure.ts";
import { passwdEntry } from "./paths.ts";
import { hostNames } from "./proc.ts";
import { readSecret } from "./secret.ts";

export type Scope = "read" | "write";

export interface TokenFacts {
  /** For whom: it is kept with what the bearer brings. */
  subject: string;
  ttl_seconds: number;
  scope: Scope;
}

/** Issuer and audience. */
const NAME = "session-buddy";

/**
 * One JWT, compact.
 * @param issued_at when its life begins, milliseconds since the epoch
 */
export function mintToken(
  secret: string,
  { subject, ttl_seconds, scope }: TokenFacts,
  issued_at: number,
): string {
  const iat = Math.floor(issued_at / 1000);
  const claims = {
    ...{ iss: NAME, aud: NAME, sub: subject, iat, exp: iat + ttl_seconds },
    ...{ scope, jti: Bun.randomUUIDv7() },
  };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  const hmac = new Bun.CryptoHasher("sha256", secret).update(signed);
  return `${signed}.${hmac.digest("base64url")}`;
}

const part = (value: object) =>
  Buffer.from(JSON.stringify(value)).toString("base64url");

/** Who we are, for a token's subject: `les@maha`. */
export function ownSubject(): string {
  const user = passwdEntry()?.username ?? `uid-${process.geteuid!()}`;
  return `${user}@${hostNames().hostname}`;
}

const OWN_TTL_SECONDS = 300;
/** Servers allow no leeway, and a host's clock may run a little ahead of theirs. */
const BACKDATED_SECONDS = 60;

/**
 * What our own clients send to a server on another host: SESSION_BUDDY_TOKEN,
 * else one of five minutes from the secret, else null.
 * @throws Failure (config) for a weak secret, or what is no token
 */
export function clientToken(
  settings: { config: { auth: { secret_file: string | null } } },
  env: Readonly<Record<string, string | undefined>>,
): string | null {
  const given = env["SESSION_BUDDY_TOKEN"];
  if (given) {
    // It becomes a header: a line break in it would be shown by who refuses it.
    if (/^[\w.~+/-]+=*$/.test(given)) return given;
    throw new Failure(
      "config",
      "SESSION_BUDDY_TOKEN is not a token",
      "set it to what this prints on the server's host: session-buddy token",
    );
  }
  const secret = readSecret(settings.config.auth.secret_file, env);
  if (secret === null) return null;
  const facts: TokenFacts = {
    subject: ownSubject(),
    ttl_seconds: BACKDATED_SECONDS + OWN_TTL_SECONDS,
    scope: "write",
  };
  return mintToken(secret, facts, Date.now() - BACKDATED_SECONDS * 1000);
}

/**
 * A bearer goes over plain http to this host alone: anybody on the way could
 * take it.
 * @param token null when none is sent
 * @throws Failure (config)
 */
export function checkEndpoint(endpoint: string, token: string | null): void {
  const { protocol, host, hostname } = new URL(endpoint);
  if (token === null || protocol === "https:") return;
  if (/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) return;
  throw new Failure(
    "config",
    `the token would go to '${host}' over plain http, where others can read it`,
    "use an https address (SESSION_BUDDY_MCP_ENDPOINT), or a tunnel to localhost",
  );
}
