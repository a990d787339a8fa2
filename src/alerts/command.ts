/** Runs a command with an alert on its stdin: no shell, none of our secrets. */
import { reasonOf } from "../model/failure.ts";
import { requireTrustedFile } from "../os/trust.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Of our own environment. */
const PASSED = ["HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"];
/** Of what it says when it fails. */
const MAX_SAID = 500;
/** So long what it has said last may be on its way. */
const LAST_WORDS_MS = 200;

/**
 * Resolves once it has exited with 0.
 * @throws Error otherwise; whatever it has started is killed when it takes too long
 */
export async function runCommand(
  argv: readonly string[],
  timeout_ms: number,
  body: string,
  env: Environment,
  end: AbortSignal,
): Promise<void> {
  const program = argv[0]!;
  // Who else can write to it would run as we do.
  requireTrustedFile(program);
  let child;
  try {
    child = Bun.spawn([...argv], {
      cwd: "/",
      env: {
        PATH,
        ...Object.fromEntries(
          PASSED.flatMap((name) => (env[name] ? [[name, env[name]]] : [])),
        ),
      },
      stdin: new Blob([`${body}\n`]),
      stdout: "ignore",
      stderr: "pipe",
      // A group of its own, which can be killed whole.
      detached: true,
    });
  } catch (error) {
    throw new Error(`${program} cannot be run: ${reasonOf(error)}`);
  }
  const { pid } = child;
  const said = beginning(child.stderr);
  let late = false;
  const kill = () => {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // Gone already.
    }
  };
  const timer = setTimeout(() => {
    late = true;
    kill();
  }, timeout_ms);
  end.addEventListener("abort", kill);
  try {
    await child.exited;
  } finally {
    clearTimeout(timer);
    end.removeEventListener("abort", kill);
  }
  const words = await said.end(child.exitCode === 0 ? 0 : LAST_WORDS_MS);
  if (child.exitCode === 0) return;
  const how = late
    ? `did not end within ${timeout_ms / 1_000} s`
    : child.signalCode !== null
      ? `was killed by ${child.signalCode}`
      : `exited with ${child.exitCode}`;
  throw new Error(`${program} ${how}${words && `: ${words}`}`);
}

/** What is said at first; one that goes on is not waited for. */
function beginning(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  let text = "";
  const whole = (async () => {
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (text.length < MAX_SAID)
        text += decoder.decode(value, { stream: true });
    }
    // It ends with the process, or when it is cancelled.
  })().catch(() => {});
  return {
    async end(within_ms: number): Promise<string> {
      await Promise.race([whole, Bun.sleep(within_ms)]);
      reader.cancel().catch(() => {});
      return text.slice(0, MAX_SAID).trim();
    },
  };
}
