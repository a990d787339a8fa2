/**
 * Checks a bearer's JWT against the secret. What is refused is refused in the
 * same words whatever was wrong with it; the reason, without anything of the
 * token, is the error's cause, for the log.
 */
import { jwtVerify } from "jose";
import type { Settings } from "../config/load.ts";
import { readSecret } from "./secret.ts";
import {
  type Authorize,
  type TokenIdentity,
  authorizer,
  tokenInvalid,
} from "./authorize.ts";
import { SCOPES, isClaim } from "./token.ts";

const AUDIENCE = "session-buddy";
const ISSUERS = [
  ...["mahavishnu", "session-buddy", "akosha", "dhara", "crackerjack"],
];
/** `session-buddy token` alone mints tokens that may act for all. */
const ADMIN_ISSUER = "session-buddy";
/** Longer than any that is meant for us. */
const MAX_TOKEN_LENGTH = 8_192;

/**
 * The token of an Authorization header.
 * @throws Failure (unauthorized) when it holds anything else
 */
export function parseBearer(header: string): string {
  const token = /^Bearer +([\w.~+/-]+=*)$/i.exec(header.trim())?.[1];
  if (token === undefined) throw tokenInvalid("no bearer in the header");
  return token;
}

export class Auth {
  /** Who may ask this process for what. */
  readonly authorize: Authorize;

  private constructor(
    private readonly key: Promise<CryptoKey> | null,
    private readonly now: () => number,
  ) {
    const uid = process.geteuid!();
    this.authorize = authorizer({ uid, secret: key !== null });
  }

  /**
   * @param now milliseconds since the epoch
   * @throws Failure (config) for a weak secret, or a file that cannot be trusted
   */
  static fromSettings(
    { config }: Settings,
    env: Readonly<Record<string, string | undefined>>,
    now: () => number = Date.now,
  ): Auth {
    const secret = readSecret(config.auth.secret_file, env);
    return new Auth(secret === null ? null : importKey(secret), now);
  }

  /** @param secret that is known to be good */
  static fromSecret(secret: string, now: () => number = Date.now): Auth {
    return new Auth(importKey(secret), now);
  }

  /** Whether a secret is set, and so a token needed. */
  get required(): boolean {
    return this.key !== null;
  }

  /**
   * What an Authorization header proves.
   * @returns null when there is none, or no secret to prove it by
   * @throws Failure (unauthorized) when it is a bad one
   */
  async authenticate(header: string | null): Promise<TokenIdentity | null> {
    if (!this.key || header === null) return null;
    return this.verify(parseBearer(header));
  }

  /**
   * What a token proves; null when there is no secret to prove it by.
   * @throws Failure (unauthorized)
   */
  async verify(token: string): Promise<TokenIdentity | null> {
    if (!this.key) return null;
    if (token.length > MAX_TOKEN_LENGTH) throw tokenInvalid("too long");
    const now = this.now();
    const claims = await claimsOf(token, await this.key, now);
    const { iat, exp, iss, sub } = claims;
    const { scope = "write", host = null, user = null } = claims;
    if (typeof iat !== "number" || iat > now / 1000)
      throw tokenInvalid("issued in the future");
    const known = SCOPES.find((word) => word === scope);
    // Those who share the secret mint tokens of their own, for their own shells.
    if (!known || (known === "admin" && iss !== ADMIN_ISSUER))
      throw tokenInvalid("unknown scope");
    return {
      // One that is empty, or no text, is none.
      subject: typeof sub === "string" && sub ? nameIn("sub", sub) : null,
      scope: known,
      ends_ms: Number(exp) * 1_000,
      ...(host !== null && { host: nameIn("host", host) }),
      ...(user !== null && { user: nameIn("user", user) }),
    };
  }
}

/** A name that a token holds. */
function nameIn(claim: string, value: unknown): string {
  if (typeof value === "string" && isClaim(value)) return value;
  throw tokenInvalid(`${claim} is no name`);
}

function importKey(secret: string): Promise<CryptoKey> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const bytes = new TextEncoder().encode(secret);
  return crypto.subtle.importKey("raw", bytes, algorithm, false, ["verify"]);
}

/** The claims of a token that is ours and of this moment. */
async function claimsOf(
  token: string,
  key: CryptoKey,
  now: number,
): Promise<Record<string, unknown>> {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: ["HS256"],
      audience: AUDIENCE,
      issuer: ISSUERS,
      requiredClaims: ["exp", "iat"],
      clockTolerance: 0,
      currentDate: new Date(now),
    });
    const claim = ["exp", "iat", "nbf"].find((name) => !isTime(payload[name]));
    if (claim !== undefined) throw { code: "ERR_JWT_NO_TIME", claim };
    return payload;
  } catch (error) {
    // Its message and properties may hold claims; its code never does.
    const { code, claim } = error as { code?: string; claim?: string };
    throw tokenInvalid([code ?? "unreadable", claim].filter(Boolean).join(" "));
  }
}

/** JSON's 1e999 is infinity, for which no token ever expires. */
const isTime = (value: unknown): boolean =>
  value === undefined ||
  (typeof value === "number" && value >= 0 && value <= MAX_TIME_SECONDS);

/** The last second of the year 9999. */
const MAX_TIME_SECONDS = 253_402_300_799;
