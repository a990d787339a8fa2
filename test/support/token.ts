/** Tokens signed without a promise, and not by the code that is tested. */
import type { TokenFacts } from "../../src/auth/token.ts";

/** What src/auth/token.ts makes of the same arguments. */
export function mintToken(
  secret: string,
  { subject, ttl_seconds, ...more }: TokenFacts,
  issued_at: number,
): string {
  const iat = Math.floor(issued_at / 1000);
  const claims = {
    ...{ iss: "session-buddy", aud: "session-buddy", sub: subject },
    ...{ iat, exp: iat + ttl_seconds, jti: Bun.randomUUIDv7(), ...more },
  };
  const signed = [{ alg: "HS256", typ: "JWT" }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  const hmac = new Bun.CryptoHasher("sha256", secret).update(signed);
  return `${signed}.${hmac.digest("base64url")}`;
}
