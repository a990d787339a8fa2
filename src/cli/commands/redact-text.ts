/**
 * `session-buddy redact-text [PROTOCOL]`: what a shell sends a command through
 * that could hold a secret. Internal: no help names it.
 *
 * In: the text, any bytes, up to the end of its input. Out: the names of the
 * rules that hit, joined by commas, or `withheld`; a line feed; what may be kept;
 * a line feed and a dot. Without that dot the shell keeps nothing. A running
 * shell's hooks outlive an upgrade: they say which protocol they speak.
 */
import { loadSettings, redactionOf } from "../../config/load.ts";
import { redact } from "../../model/redaction/redact.ts";
import { readOpen, writeSome } from "../../os/file.ts";
import { CONFIG_VARIABLE } from "../../os/parent.ts";

const PROTOCOL = "1";
/** What is longer is withheld. */
const MAX_BYTES = 1024 * 1024;

export function redactText([protocol = PROTOCOL]: readonly string[]): number {
  if (protocol !== PROTOCOL) return 64;
  const bytes = readOpen(0, "standard input", MAX_BYTES + 1);
  const { env } = process;
  const choice = redactionOf(
    loadSettings(env, env[CONFIG_VARIABLE] || undefined),
  );
  // A character a byte: what is not UTF-8 comes back as it was.
  const text = Buffer.from(bytes).toString("latin1");
  const {
    text: kept,
    rules,
    withheld,
  } = choice === null || bytes.length > MAX_BYTES
    ? { text: "", rules: [], withheld: true }
    : redact(text, choice);
  const mark = withheld ? "withheld" : rules.join(",");
  const out = Buffer.from(`${mark}\n${kept}\n.`, "latin1");
  for (let at = 0; at < out.length;) at += writeSome(1, out.subarray(at));
  return 0;
}
