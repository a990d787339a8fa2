/**
 * What a rule of redaction is, and the pieces that many are made of.
 *
 * White space is written out: `\s` has characters that separate nothing in a
 * shell, and that are bytes inside a letter where a text is not UTF-8. Every
 * quantifier has a bound, so that no text makes a rule slow.
 */

export interface Rule {
  /** What stands in the secret's place: [redacted:NAME]. Rules may share one. */
  name: string;
  group: Group;
  /**
   * Globs over the text in lower case (`*`, `[sets]`): where none of them is
   * found the rule is not tried. The prefilters of the shells are made of them.
   */
  near: readonly string[];
  /** A regular expression; its groups `s` and `t` are the secret. */
  pattern: string;
  /** Letters are taken in either case. */
  any_case?: true;
  /** `s` is a list, and each match of this in it a secret. */
  each?: string;
  /** Commands with the secret between ‹ and ›; a ¦ is dropped, see `exampleOf`. */
  examples: readonly string[];
}

export type Group =
  "token" | "url" | "header" | "argument" | "pipe" | "assignment" | "opaque";

/** White space, inside a set. */
export const WS = " \\t\\r\\n\\f\\v";
/** The rest of one simple command, as little as possible of it. */
export const WITHIN = "[^\\n;|&]{0,400}?";
/**
 * A value: one word of a shell, quotes and all, or what stands between quotes
 * around it. Nothing that can fail may follow it.
 */
export const VALUE = `(?:[^${WS}'"\\\\;|&<>()$]{1,65536}|\\$\\{[^}\\n]{0,4096}\\}|\\$?'[^']{0,65536}'?|"(?:[^\\\\"]{1,65536}|\\\\[^]){0,65536}"?|\\\\[^\\n]|\\$){1,65536}`;
/** The same where more of the pattern follows. */
export const WORD = `(?:'[^'\\n]{1,400}'|"[^"\\n]{1,400}"|[^${WS}'"|;<>&]{1,400})`;

/** What a name that holds a secret ends with. */
export const SECRET_WORD =
  "pass(?:word|wd|phrase|code|key)?|pwd|passw|secret(?:[-_]?(?:key|id|access[-_]?key))?|(?:auth|access|api|refresh|id|bearer|session|bot|personal|deploy|registry|gitlab|github|private|vault|npm|slack|csrf|x)?[-_]?token|(?:api|access|private|secret|account|master|encryption|signing|storage|service|license|auth|app|subscription|shared[-_]?access)[-_]?key|client[-_]?secret|credentials?|creds|connection[-_]?string|sas[-_]?token|authkey|pin";
/** A name that ends so, maybe with a prefix or a number. */
export const NAME = `(?:[A-Za-z][\\w.-]{0,40}[-_.])?(?:${SECRET_WORD})(?:[-_]?\\d{1,2})?`;
/** dbPassword, PGPASSWORD, accessToken. */
export const GLUED =
  "[A-Za-z_]\\w{0,40}(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|APIKEY|Password|Passwd|Secret|Token|ApiKey|SecretKey|AccessKey|password|passwd|_pass|_PASS|_pw|_PW|MYSQL_PWD|_AUTH)";
/** What stands before a name. */
export const HEAD = `(?<=^|[${WS}'"\`?&;,({\\[|:\\\\.-])(?<!alias )(?!(?:OLD)?PWD=)`;
/** In what the names of secrets show. */
export const NAMES = [
  "pass",
  "[a-z_-]pwd",
  "pwd[=:'\"]",
  "secret",
  "token",
  "key",
  "cred",
  "connection",
  "[a-z_]pw[=: ]",
  "_auth",
  "pin[=:'\"]",
  "-pin ",
] as const;

/** An example as a text, and what in it is secret. */
export function exampleOf(example: string): { text: string; secret: string } {
  const whole = example.replaceAll("¦", "");
  const secret = whole.slice(whole.indexOf("‹") + 1, whole.indexOf("›"));
  return { text: whole.replace("‹", "").replace("›", ""), secret };
}
