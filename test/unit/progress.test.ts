/** How far long work is: when a person is told, and how it looks. */
import { expect, test } from "bun:test";
import { ProgressDisplay } from "../../src/cli/progress.ts";
import { Task, listen, part, stateOf } from "../../src/model/progress.ts";
import { progressBar, progressLine } from "../../src/render/progress.ts";

/** A display whose clock the test moves; what it said since. */
function display(bar: boolean, { width = 80, ours = true } = {}) {
  let said = "";
  let now = performance.now();
  const place = { bar, isOurs: () => ours, width: () => width };
  const shown = new ProgressDisplay({
    ...place,
    now: () => now,
    say: (text) => (said += text),
  });
  listen(shown);
  const saidSince = () => {
    const text = said;
    said = "";
    return text;
  };
  return {
    shown,
    said: saidSince,
    /** What is said when so much time has gone. */
    after(seconds: number) {
      now += seconds * 1_000;
      shown.look();
      return saidSince();
    },
    [Symbol.dispose]: () => listen(null),
  };
}

test("at a terminal nothing is shown for a second, then a bar, which goes at the end", () => {
  using at = display(true);
  {
    using task = new Task("backup");
    task.at("reading", 0.25);
    expect(at.after(0.9)).toBe("");
    const bar = at.after(0.2);
    expect(bar).toMatch(
      /^\rbackup: █{7}░{23} {2}25 % {2}1 s {2}reading\x1b\[K$/,
    );
    // Not for each change: some work has thousands a second.
    task.at("reading", 0.5);
    expect(at.said()).toBe("");
    expect(at.after(0.2)).toContain(" 50 %");
    // What else is said takes its place.
    expect(at.shown.cleared()).toBe("\r\x1b[K");
    expect(at.shown.cleared()).toBe("");
    expect(at.after(124)).toContain("  2:05  ");
  }
  expect(at.said()).toBe("\r\x1b[K");
  expect(at.after(60)).toBe("");
});

test("in a pipe there is a line every ten seconds, and none for what is quick", () => {
  using at = display(false);
  {
    using task = new Task("archive");
    task.at("writing", 0.1);
    expect(at.after(9.9)).toBe("");
    expect(at.after(0.2)).toBe("session-buddy: archive: writing, 10 %, 10 s\n");
    task.at("comparing", 0.6);
    expect(at.after(9.8)).toBe("");
    expect(at.after(0.3)).toBe(
      "session-buddy: archive: comparing, 60 %, 20 s\n",
    );
  }
  using _ = new Task("drain");
  expect(at.after(9)).toBe("");
});

test("the newest of several is shown, a job in the background shows nothing", () => {
  {
    using at = display(true);
    using restore = new Task("restore");
    restore.at("copying", null);
    {
      using _ = new Task("drain");
      expect(at.after(2.5)).toStartWith("\rdrain: 2 s");
    }
    at.said();
    expect(at.after(1)).toStartWith("\rrestore: 3 s  copying");
  }
  using behind = display(true, { ours: false });
  using _ = new Task("backup");
  expect(behind.after(30)).toBe("");
});

test("a bar fits any width, and what a step is called moves no cursor", () => {
  const state = { name: "drain", step: "12345 events", elapsed_ms: 12_000 };
  for (const fraction of [null, 0, 0.5, 1])
    for (let width = 1; width < 120; width++) {
      const bar = progressBar({ ...state, fraction }, width);
      expect(bar.length).toBeLessThanOrEqual(width);
    }
  const hostile = { ...state, step: "\x1b[2J\n\u202e", fraction: 0.5 };
  expect(progressBar(hostile, 100)).toContain("\\x1b[2J\\n\\u202e");
  expect(progressLine(hostile)).toContain("\\x1b[2J\\n\\u202e");
  expect(
    progressLine({ ...state, fraction: null, elapsed_ms: 3_725_000 }),
  ).toBe("drain: 12345 events, 1:02:05");
});

test("a part of work is a part of the whole; another process is told of the newest", () => {
  using first = new Task("archive");
  first.at("looking", null);
  using task = new Task("archive");
  part(part(task, 0.5, 1), 0, 0.5).at("writing", 0.5);
  expect(stateOf("archive")).toEqual({
    ...{ name: "archive", step: "writing", fraction: 0.625 },
  });
  task.at("writing", 1.5);
  expect(stateOf("archive")!.fraction).toBe(1);
  expect(stateOf("backup")).toBeNull();
});
