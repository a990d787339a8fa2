/**
 * Mints tokens, short JWTs signed by HS256, and finds the one that our own clients
 * send. verify.ts has the server's side. jose is loaded when a token is made.
 */
import { fail } from "../model/failure.ts";
import { passwdEntry } from "../os/paths.ts";
import { hostNames } from "../os/proc.ts";
import { readPrivateText, readSecret } from "./secret.ts";

/** What its bearer may do: each the one before it as well. */
export const SCOPES = ["read", "review", "write", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

export interface TokenFacts {
  /** For whom: it is kept with what the bearer brings. */
  subject: string;
  ttl_seconds: number;
  scope: Scope;
  /** Of what host and what user alone its bearer may report; any when left out. */
  host?: string;
  user?: string;
}

/** Of the texts in a token, in characters. */
export const MAX_CLAIM_LENGTH = 200;

/** Whether a text may stand in a token for a name: it is shown, stored and compared. */
export const isClaim = (text: string): boolean =>
  text !== "" &&
  text.length <= MAX_CLAIM_LENGTH &&
  text.isWellFormed() &&
  !/\p{Cc}/u.test(text);

/** Issuer and audience. */
const NAME = "session-buddy";

/**
 * One JWT, compact.
 * @param issued_at when its life begins, milliseconds since the epoch
 */
export async function mintToken(
  secret: string,
  { subject, ttl_seconds, scope, host, user }: TokenFacts,
  issued_at: number,
): Promise<string> {
  const { SignJWT } = await import("jose");
  const iat = Math.floor(issued_at / 1000);
  const claims = {
    ...{ iss: NAME, aud: NAME, sub: subject, iat, exp: iat + ttl_seconds },
    ...{ scope, jti: Bun.randomUUIDv7() },
    ...(host !== undefined && { host }),
    ...(user !== undefined && { user }),
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .sign(new TextEncoder().encode(secret));
}

/** Who we are, for a token's subject: `les@maha`. */
export function ownSubject(): string {
  const user = passwdEntry()?.username ?? `uid-${process.geteuid!()}`;
  return `${user}@${hostNames().hostname}`;
}

const OWN_TTL_SECONDS = 300;
/** Servers allow no leeway, and a host's clock may run a little ahead of theirs. */
const BACKDATED_SECONDS = 60;

interface AuthSettings {
  config: { auth: { secret_file: string | null; token_file: string | null } };
}

/**
 * What our own clients send to a server on another host: SESSION_BUDDY_TOKEN,
 * else what auth.token_file holds, else one of five minutes from the secret, else
 * null.
 * @param subject of one that is made here
 * @throws Failure (config) for a weak secret, what is no token, or a file that
 *   cannot be trusted
 */
export async function clientToken(
  settings: AuthSettings,
  env: Readonly<Record<string, string | undefined>>,
  subject: () => string = ownSubject,
): Promise<string | null> {
  const given = env["SESSION_BUDDY_TOKEN"];
  if (given) return tokenIn(given, "SESSION_BUDDY_TOKEN is not a token", "set");
  const { token_file } = settings.config.auth;
  if (token_file !== null)
    return tokenIn(
      readPrivateText("auth.token_file", token_file),
      `auth.token_file '${token_file}' holds no token`,
      "write",
    );
  const secret = readSecret(settings.config.auth.secret_file, env);
  if (secret === null) return null;
  const facts: TokenFacts = {
    subject: subject(),
    ttl_seconds: BACKDATED_SECONDS + OWN_TTL_SECONDS,
    scope: "write",
  };
  return mintToken(secret, facts, Date.now() - BACKDATED_SECONDS * 1000);
}

/** It becomes a header: a line break in it would be shown by who refuses it. */
function tokenIn(text: string, sentence: string, how: "set" | "write") {
  if (/^[\w.~+/-]+=*$/.test(text)) return text;
  throw fail.config(
    sentence,
    `${how === "set" ? "set it to" : "write into it"} what this prints on the server's host: session-buddy token`,
  );
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
  throw fail.config(
    `the token would go to '${host}' over plain http, where others can read it`,
    "use an https address (SESSION_BUDDY_MCP_ENDPOINT), or a tunnel to localhost",
  );
}
