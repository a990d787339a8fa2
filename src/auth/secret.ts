/**
 * Reads the secret that signs tokens: from the environment, else from a file that
 * only we can read. It has to be too long to guess, and no message repeats it.
 */
import { Failure, errnoOf, reasonOf, fail } from "../model/failure.ts";
import { O_RDONLY, closeFile, openRegular } from "../os/file.ts";
import { trustedPath } from "../os/trust.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const MIN_CHARACTERS = 32;
const MAX_FILE_BYTES = 4_096;
const MAKE_ONE = "make one, for instance by: openssl rand -base64 48";

/** What stands in examples, and so in everybody's guesses. */
const PLACEHOLDERS = [
  ...["changeme", "secret", "test", "test-secret", "change-me"],
  ...["placeholder", "example", "none", "null", ""],
];

/**
 * The secret, or null when none is set; an empty variable sets none.
 * @param file `auth.secret_file`, read only when no variable has it
 * @throws Failure (config) for a weak one, or a file that cannot be trusted
 */
export function readSecret(
  file: string | null,
  env: Environment,
): string | null {
  const given = env["SESSION_BUDDY_SECRET"] || env["BODAI_SHARED_SECRET"];
  const secret =
    given || (file === null ? null : readPrivateText("auth.secret_file", file));
  if (secret !== null) refuseWeak(secret);
  return secret;
}

function refuseWeak(secret: string): void {
  const characters = [...secret].length;
  if (characters < MIN_CHARACTERS)
    throw fail.config(
      `Secret for 'session-buddy' is too short (${characters} chars). Minimum ${MIN_CHARACTERS} characters required.`,
      MAKE_ONE,
    );
  // Only blanks around it can have made it long enough.
  if (PLACEHOLDERS.includes(secret.trim().toLowerCase()))
    throw fail.config("Secret for 'session-buddy' is a placeholder", MAKE_ONE);
}

/**
 * What a file holds that only we can read, without the line breaks at its end.
 * @param name of the setting, for the sentence
 * @throws Failure (config) for a file that cannot be read or trusted
 */
export function readPrivateText(name: string, path: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readPrivately(name, path);
  } catch (error) {
    if (error instanceof Failure && error.code === "config") throw error;
    if (error instanceof Failure)
      throw fail.config(
        `${name} '${path}' cannot be trusted: ${error.sentence}`,
        error.hint,
      );
    const link = errnoOf(error) === "ELOOP";
    throw fail.config(
      `${name} '${path}' ${link ? "is a link" : `cannot be read: ${reasonOf(error)}`}`,
      link ? "name the file itself" : "check the path and its permissions",
      { cause: error },
    );
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.replace(/[\r\n]+$/, "");
  } catch {
    throw fail.config(
      `${name} '${path}' is no text`,
      "it is to hold one line of plain characters",
    );
  }
}

/** @throws Failure (config), or Error with `code` */
function readPrivately(name: string, path: string): Uint8Array {
  const fs = process.getBuiltinModule("node:fs");
  // Who rules a folder on the way could put another secret there.
  trustedPath(path.slice(0, path.lastIndexOf("/")));
  const fd = openRegular(path, O_RDONLY);
  try {
    const stat = fs.fstatSync(fd);
    const refused = refusal(stat);
    if (refused)
      throw fail.config(
        `${name} '${path}' ${refused}`,
        `try: chmod 600 '${path}', as its owner`,
      );
    const bytes = new Uint8Array(MAX_FILE_BYTES + 1);
    const length = fs.readSync(fd, bytes, 0, bytes.length, 0);
    if (length <= MAX_FILE_BYTES) return bytes.subarray(0, length);
    throw fail.config(
      `${name} '${path}' is larger than ${MAX_FILE_BYTES} bytes`,
      "put that one line alone into it",
    );
  } finally {
    closeFile(fd);
  }
}

function refusal({ uid, mode }: { uid: number; mode: number }): string | null {
  if (uid !== process.geteuid!() && uid !== 0)
    return `belongs to uid ${uid}, not to us`;
  return mode & 0o077 ? "can be read or written by others" : null;
}
