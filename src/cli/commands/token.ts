/** `session-buddy token`: prints a token for the server. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { readSecret } from "../../auth/secret.ts";
import {
  MAX_CLAIM_LENGTH,
  SCOPES,
  type Scope,
  isClaim,
  mintToken,
  ownSubject,
} from "../../auth/token.ts";
import { durationMs } from "../../config/values.ts";
import { print } from "../terminal.ts";

const MAX_TTL_SECONDS = 365 * 86_400;

export default defineCommand({
  description: `Prints a token that lets its bearer talk to the server.

It is signed by the server's secret: SESSION_BUDDY_SECRET, else
BODAI_SHARED_SECRET, else auth.secret_file. Whoever has the token may use it
until it expires; only another secret takes it back.

A session belongs to the subject that began it: renew a token with the same one.
With --host and --user its bearer can report of nobody else. With --scope admin
it can end any session, whoever reported it.

EXAMPLES
  session-buddy token
  session-buddy token --subject web01 --host web01 --user deploy --ttl 30d
  session-buddy token --subject backup@maha --ttl 30d
  export SESSION_BUDDY_TOKEN="$(ssh maha session-buddy token --scope read)"`,
  args: {
    subject: {
      type: "string",
      valueHint: "name",
      description:
        "Whose it is, kept with what is sent by it (default: you@this-host)",
    },
    ttl: {
      type: "string",
      default: "1h",
      valueHint: "duration",
      description: "How long it holds, from 1s to 365d (default: 1h)",
    },
    scope: {
      type: "string",
      values: ["read", "review", "write", "admin"],
      default: "write",
      description:
        "read, review to mark as reviewed too, write for all of it, or admin for other reporters' sessions too (default: write)",
    },
    host: {
      type: "string",
      valueHint: "name",
      description: "The only host that its bearer may report of (default: any)",
    },
    user: {
      type: "string",
      valueHint: "name",
      description: "The only user that its bearer may report of (default: any)",
    },
    config: CONFIG_FLAG,
  },
  async run(args) {
    const subject = nameOf("--subject", args.subject ?? ownSubject());
    const bound = {
      ...(args.host !== undefined && { host: nameOf("--host", args.host) }),
      ...(args.user !== undefined && { user: nameOf("--user", args.user) }),
    };
    const ttl_seconds = secondsOf(args.ttl);
    const scope = scopeOf(args.scope);
    const settings = await validSettings(process.env, args.config);
    const secret = readSecret(settings.config.auth.secret_file, process.env);
    if (secret === null)
      throw fail.config(
        "no secret is set that could sign a token",
        "set SESSION_BUDDY_SECRET, or auth.secret_file, as the server has it",
      );
    const facts = { subject, ttl_seconds, scope, ...bound };
    print(`${await mintToken(secret, facts, Date.now())}\n`);
  },
});

const EXAMPLE = {
  "--subject": "backup@maha",
  "--host": "web01",
  "--user": "deploy",
};

function nameOf(flag: keyof typeof EXAMPLE, name: string): string {
  if (isClaim(name)) return name;
  throw fail.usage(
    `${flag} takes 1 to ${MAX_CLAIM_LENGTH} characters, none of them a control character`,
    `try: ${flag} ${EXAMPLE[flag]}`,
  );
}

function secondsOf(ttl: string): number {
  const seconds = Math.floor((durationMs(ttl) ?? 0) / 1000);
  if (seconds >= 1 && seconds <= MAX_TTL_SECONDS) return seconds;
  throw fail.usage(
    `--ttl takes a duration from 1s to 365d, not '${ttl}'`,
    "try: --ttl 1h",
  );
}

function scopeOf(scope: string): Scope {
  const known = SCOPES.find((word) => word === scope);
  if (known) return known;
  throw fail.usage(
    `--scope takes ${SCOPES.join(", ")}, not '${scope}'`,
    "try: --scope read",
  );
}
