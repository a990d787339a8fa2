/** What goes on now: a screen that follows, and lines in a pipe. */
import { expect, test } from "bun:test";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { configure } from "../support/host.ts";
import { Live } from "../support/live.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { hook, leave } from "../support/spool.ts";

/** A live session, and the file of its shell's commands. */
async function begun(sandbox: Sandbox) {
  const live = await Live.begin(sandbox);
  const now = Date.now();
  const file = leave(
    sandbox,
    `${live.session_id}.${live.child}.commands`,
    hook.header(live.child, now),
  );
  let seq = 0;
  return {
    live,
    run: (text: string, status = 0, at = Date.now()) => {
      appendFileSync(
        file,
        hook.start(++seq, at, text) + hook.end(seq, at, status),
      );
    },
  };
}

test.each(["alone", "with a server"])(
  "a screen of sessions follows what runs in them, %s; q ends it",
  async (setting) => {
    using sandbox = new Sandbox();
    const { live, run } = await begun(sandbox);
    await using _live = live;
    await using _server =
      setting === "alone" ? null : await TestServer.start(sandbox);
    run("make \x1b[2J all");
    await using pty = new Pty(sandbox, [BINARY, "watch"], { columns: 100 });
    await pty.expect("LAST COMMAND");
    await pty.expect("active");
    await pty.expect("make \\x1b[2J all");
    await pty.expect("q: quit");
    run("git push");
    await pty.expect("git push");
    await live.end(3);
    await pty.expect(/ended +3 +git push/);
    pty.type("q");
    expect(await pty.ended()).toEqual({ code: 0, signal: null });
  },
);

test("with an id it is the session's commands that are followed", async () => {
  using sandbox = new Sandbox();
  const { live, run } = await begun(sandbox);
  await using _live = live;
  await using pty = new Pty(sandbox, [BINARY, "watch", live.session_id]);
  await pty.expect("no command has been recorded yet");
  run("false\nsecond line", 1);
  await pty.expect(/1 {2}false \(\+1 lines\)/);
  run("true");
  await pty.expect(/0 {2}true/);
  // As Ctrl-C does, which is a key there.
  pty.type("\x03");
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
});

test.each(["a key", "a signal"])(
  "the terminal is as it was after %s",
  async (ending) => {
    using sandbox = new Sandbox();
    const watch = `sh -c 'echo $$ >pid; exec ${BINARY} watch'`;
    const script = `stty -g >before; ${watch}; stty -g >after; cmp before after && echo "the same"`;
    await using pty = new Pty(sandbox, ["bash", "-c", script]);
    await pty.expect("q: quit");
    if (ending === "a key") pty.type("q");
    else
      process.kill(
        Number(readFileSync(join(sandbox.home, "pid"), "utf8")),
        "SIGTERM",
      );
    await pty.expect("the same");
    await pty.ended();
  },
);

test("in a pipe each event is a line as it comes", async () => {
  using sandbox = new Sandbox();
  // None of the wrapper's own comes between.
  configure(sandbox, "session: {heartbeat: 1h}\n");
  const { live, run } = await begun(sandbox);
  await using _live = live;
  // What the wrapper tells beside it comes before.
  await live.quiet();
  run("before it was watched", 0, Date.now() - 1_000);
  await sandbox.list();
  // Later than the moment at which it begins, whenever that is.
  run("step 1", 0, Date.now() + 3_600_000);
  const watch = Bun.spawn([BINARY, "watch", live.session_id], {
    env: sandbox.env,
    stdout: "pipe",
    stderr: "inherit",
  });
  try {
    const lines = linesOf(watch.stdout);
    const next = async () => (await lines.next()).value!;
    expect(await next()).toMatch(
      /^\d+\t\S+\t\S+\tspool\tcommand_start\tstep\\x201$/,
    );
    expect(await next()).toEndWith("\tcommand_end\texit\\x200");
    run("step 2", 7);
    expect(await next()).toEndWith("\tstep\\x202");
    expect(await next()).toEndWith("\texit\\x207");
    await live.end(3);
    for (let line = ""; !line.includes("session_end");) line = await next();
  } finally {
    watch.kill("SIGTERM");
  }
  expect(await watch.exited).toBe(0);
});

async function* linesOf(stream: ReadableStream<Uint8Array>) {
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of stream) {
    text += decoder.decode(bytes, { stream: true });
    const lines = text.split("\n");
    text = lines.pop()!;
    yield* lines;
  }
}

test("of no session it says so", async () => {
  using sandbox = new Sandbox();
  const { exitCode, stderr } = await sandbox.run(["watch", "nobody"]);
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringContaining("no session 'nobody'"),
  ]);
});
