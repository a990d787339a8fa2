/** The end of a log, and what comes after it: each line once, over any rotation. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { followLog } from "../../src/log/tail.ts";
import { Log } from "../../src/log/log.ts";
import { OutputClosed } from "../../src/model/failure.ts";
import { Random } from "../support/random.ts";
import { until } from "../support/wait.ts";

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sb-tail-"));
  folder = join(root, "logs");
});
afterEach(() => rmSync(root, { recursive: true }));

const path = (age = 0) => join(folder, `server.log${age ? `.${age}` : ""}`);

/** Files of plain lines, the newest first. */
function files(...contents: string[]): void {
  mkdirSync(folder, { mode: 0o700 });
  // The oldest first, as they are written.
  for (const [age, text] of [...contents.entries()].reverse())
    writeFileSync(path(age), text);
}

/** The last lines, without following. */
async function last(lines: number): Promise<string> {
  let all = "";
  await followLog(folder, lines, false, (text) => (all += text));
  return all;
}

/** Somebody who follows, until he is told to stop. */
class Follower implements AsyncDisposable {
  text = "";
  private readonly stop = new AbortController();
  private readonly done: Promise<void>;

  constructor(lines: number) {
    const write = (text: string) => void (this.text += text);
    const { signal } = this.stop;
    this.done = followLog(folder, lines, true, write, signal);
  }

  has(text: string): Promise<true> {
    return until(text, () => this.text.endsWith(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    await this.done;
  }
}

test("the last lines are those of all files, oldest first", async () => {
  files("7\n8\n", "5\n6\n", "", "3\n4\n", "1\n2\n");
  expect(await last(1)).toBe("8\n");
  expect(await last(2)).toBe("7\n8\n");
  expect(await last(3)).toBe("6\n7\n8\n");
  expect(await last(5)).toBe("4\n5\n6\n7\n8\n");
  expect(await last(100)).toBe("1\n2\n3\n4\n5\n6\n7\n8\n");
  expect(await last(0)).toBe("");
});

test("empty lines and letters of many bytes are lines too", async () => {
  files("\n\nä\n", "日本\n\n");
  expect(await last(1)).toBe("ä\n");
  expect(await last(4)).toBe("\n\n\nä\n");
  expect(await last(9)).toBe("日本\n\n\n\nä\n");
});

test("where there is no log, there is nothing", async () => {
  expect(await last(10)).toBe("");
  files();
  expect(await last(10)).toBe("");
});

test("a log between two of its files is read all the same", async () => {
  files("", "1\n2\n");
  rmSync(path());
  expect(await last(1)).toBe("2\n");
});

test("what comes is told, whole lines alone", async () => {
  files("1\n2\n3\n");
  await using follower = new Follower(2);
  await follower.has("2\n3\n");
  appendFileSync(path(), "4\nha");
  await follower.has("4\n");
  appendFileSync(path(), "lf\n");
  await follower.has("half\n");
  expect(follower.text).toBe("2\n3\n4\nhalf\n");
});

test("over rotations each line comes once, and in order", async () => {
  const random = Random.seeded("log-tail");
  const log = new Log(folder, "info", 600);
  await using follower = new Follower(0);
  let n = 0;
  for (let burst = 0; burst < 60; burst++) {
    // At most two files' worth: what five files do not hold, nobody can follow.
    for (let i = random.int(1, 12); i > 0; i--) log.info("event", { n: n++ });
    await follower.has(`"n":${n - 1}}\n`);
  }
  log.close();
  const told = [...follower.text.matchAll(/"n":(\d+)/g)].map((m) => +m[1]!);
  expect(told).toEqual(Array.from({ length: n }, (_, i) => i));
});

test("a log that begins later is followed from its beginning", async () => {
  await using follower = new Follower(10);
  const log = new Log(folder, "info");
  log.info("first");
  await follower.has('"event":"first"}\n');
  log.info("second");
  await follower.has('"event":"second"}\n');
  log.close();
  expect(follower.text.match(/first/g)).toHaveLength(1);
});

test("a log that is removed or emptied is followed on, and nothing is told twice", async () => {
  files("3\n", "1\n2\n");
  await using follower = new Follower(1);
  await follower.has("3\n");
  rmSync(path());
  appendFileSync(path(), "4\n");
  await follower.has("4\n");
  truncateSync(path());
  await until("the look at it", async () => {
    appendFileSync(path(), "5\n");
    return follower.text.endsWith("5\n");
  });
  expect(follower.text).toMatch(/^3\n4\n(5\n)+$/);
});

test("who does not listen any more ends it", async () => {
  files("1\n");
  const gone = followLog(folder, 1, true, () => {
    throw new OutputClosed();
  });
  await expect(gone).rejects.toBeInstanceOf(OutputClosed);
});

test("what is no log is said to be none", async () => {
  files();
  mkdirSync(path());
  await expect(followLog(folder, 1, false, () => {})).rejects.toThrow(
    "server.log' is not a regular file",
  );
});
