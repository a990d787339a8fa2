/**
 * Lets the dashboard's page in. `session-buddy dashboard` gets a code from the server,
 * over its socket; the page trades it for a token that reads, and marks as reviewed.
 * Without a secret a random key signs these tokens, which end with the process.
 */
import { fail } from "../model/failure.ts";
import type { TokenIdentity } from "./authorize.ts";
import { mintToken, ownSubject } from "./token.ts";
import { Auth } from "./verify.ts";

/** From the command to the browser. */
const CODE_MS = 60_000;
/** Codes that wait for their page; the oldest is forgotten first. */
const CODES_MAX = 32;
/** A page that stays open for longer asks for a new code. */
const TOKEN_SECONDS = 4 * 3_600;

export interface PageToken {
  token: string;
  /** Whose it is: what a mark of the page is signed with. */
  subject: string;
  /** UTC, ISO 8601. */
  expires_at: string;
}

export class PageAccess {
  private readonly key: string;
  private readonly auth: Auth;
  /** When each code ends, by its digest; milliseconds since the epoch. */
  private readonly codes = new Map<string, number>();

  /** @param secret of the server; null when none is set */
  constructor(
    secret: string | null,
    private readonly now: () => number = Date.now,
  ) {
    this.key = secret ?? random();
    this.auth = Auth.fromSecret(this.key, now);
  }

  /** A code that holds for a minute, once. */
  code(): string {
    const code = random();
    if (this.codes.size >= CODES_MAX)
      this.codes.delete(this.codes.keys().next().value!);
    this.codes.set(digest(code), this.now() + CODE_MS);
    return code;
  }

  /** @throws Failure (unauthorized) for one that is used, expired or unknown */
  async trade(code: unknown): Promise<PageToken> {
    const name = typeof code === "string" ? digest(code) : "";
    const ends = this.codes.get(name);
    this.codes.delete(name);
    const now = this.now();
    if (ends === undefined || now >= ends)
      throw fail.unauthorized(
        "this link was used already, or is older than a minute",
        "ask for a new one: session-buddy dashboard",
      );
    const subject = ownSubject();
    const facts = {
      ...{ subject, ttl_seconds: TOKEN_SECONDS, scope: "review" as const },
    };
    const expires_at = new Date(now + TOKEN_SECONDS * 1_000).toISOString();
    return {
      token: await mintToken(this.key, facts, now),
      ...{ subject, expires_at },
    };
  }

  /**
   * Whose token a page has sent: one of ours, or with a secret any that it signed.
   * @throws Failure (unauthorized) when there is none, or it is a bad one
   */
  async authenticate(header: string | null): Promise<TokenIdentity> {
    const token = await this.auth.authenticate(header);
    if (token) return token;
    throw fail.unauthorized(
      "Authentication failed: the page needs a token",
      "get one by: session-buddy dashboard",
    );
  }
}

const random = () =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");

/** A code is looked for by its digest: how long that takes tells nothing of it. */
const digest = (code: string) =>
  new Bun.CryptoHasher("sha256").update(code).digest("hex");
