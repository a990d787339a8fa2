/** What redaction finds, what it leaves alone, and that no text makes it slow. */
import { expect, test } from "bun:test";
import { EVERY_RULE, readPattern } from "../../src/model/redaction/custom.ts";
import { redactEvent } from "../../src/model/redaction/event.ts";
import { RULE_NAMES } from "../../src/model/redaction/names.ts";
import { mayHold } from "../../src/model/redaction/near.ts";
import { redact } from "../../src/model/redaction/redact.ts";
import { exampleOf } from "../../src/model/redaction/rule.ts";
import {
  couldHold,
  isSuspect,
  literals,
} from "../../src/model/redaction/suspect.ts";
import { RULES } from "../../src/model/redaction/table.ts";
import { TOOLS } from "../../src/model/redaction/tools.ts";
import { Redactor } from "../../src/model/redaction/values.ts";
import { corpus, leaks } from "../support/corpus.ts";
import { command, start } from "../support/events.ts";

const examples = RULES.flatMap(({ name, examples }) =>
  examples.map((example) => ({ name, ...exampleOf(example) })),
);

test("each rule finds the secret of its examples, and leaves the rest", () => {
  for (const { name, text, secret } of examples) {
    const { text: kept, rules, withheld } = redact(text);
    expect({ text, rules, withheld }).toMatchObject({ withheld: false });
    expect(rules).toContain(name);
    expect(kept).not.toContain(secret);
    expect(kept).toStartWith(text.slice(0, text.indexOf(secret)).slice(0, 4));
  }
});

test("a rule that is switched off finds nothing, and the others do", () => {
  const off = { off: ["sshpass"], patterns: [] };
  const { text } = redact("sshpass -p hunter2 ssh h; mysql -phunter3", off);
  expect(text).toStartWith("sshpass [withheld]");
  const url = "git clone https://bob:pw1pw@h/a";
  expect(redact(url, { off: ["url-password"], patterns: [] }).text).toBe(url);
});

test("arguments of a program that is given a password are withheld where no rule reads them", () => {
  for (const { examples } of TOOLS)
    for (const text of examples) {
      const { text: kept, withheld } = redact(text);
      expect({ text, withheld }).toEqual({ text, withheld: true });
      expect(kept).toEndWith(" [withheld]");
      expect(kept).not.toContain("hunter2");
    }
  expect(redact("cd /x && kadmin -w hunter2").text).toBe(
    "cd /x && kadmin [withheld]",
  );
});

test("what a rule could find is suspect for every look that comes before", () => {
  const texts = [...corpus("tuned"), ...corpus("unseen")].map(
    (row) => row.text,
  );
  const all = [...examples, ...TOOLS.flatMap((tool) => tool.examples)].map(
    (one) => (typeof one === "string" ? one : one.text),
  );
  for (const text of [...all, ...texts]) {
    const hit = redact(text).text !== text;
    const lower = text.toLowerCase();
    const suspect = isSuspect(text);
    if (hit) expect({ text, suspect }).toEqual({ text, suspect: true });
    if (!suspect) continue;
    expect({ text, could: couldHold(lower) }).toEqual({ text, could: true });
    expect({ text, may: mayHold(lower, literals()) }).toEqual({
      text,
      may: true,
    });
  }
});

test("the names that a configuration may switch off are those of the table", () => {
  expect(RULE_NAMES).toEqual([...new Set(RULES.map(({ name }) => name))]);
});

test("of the corpus that the rules were made with, every secret is found", () => {
  const rows = corpus("tuned");
  const secrets = rows.filter((row) => row.secrets.length > 0);
  const harmless = rows.filter((row) => row.secrets.length === 0);
  expect(secrets.length).toBeGreaterThanOrEqual(100);
  expect(harmless.length).toBeGreaterThanOrEqual(100);
  expect(secrets.filter((row) => leaks(row, redact(row.text).text))).toEqual(
    [],
  );
  const touched = harmless.filter(({ text }) => redact(text).text !== text);
  expect(touched.length).toBeLessThanOrEqual(harmless.length * 0.02);
});

test("of the corpus that nobody tunes on, as much is found as docs/redaction.md says", () => {
  const rows = corpus("unseen");
  const secrets = rows.filter((row) => row.secrets.length > 0);
  const harmless = rows.filter((row) => row.secrets.length === 0);
  const missed = secrets.filter((row) => leaks(row, redact(row.text).text));
  expect([secrets.length, harmless.length]).toEqual([100, 104]);
  expect(missed.length).toBeLessThanOrEqual(10);
  const touched = harmless.filter(({ text }) => redact(text).text !== text);
  expect(touched).toEqual([]);
});

test("a variable is no secret, and what stands for one that is not set is", () => {
  const kept = [
    "API_KEY=${API_KEY:?set it} make",
    "API_KEY=\\${API_KEY:?set it} make",
    "API_KEY=\\${API_KEY} make",
    "TOKEN=${TOKEN:-} make",
    "TOKEN=${TOKEN:-$OTHER} make",
    "TOKEN=${TOKEN:0:4} make",
    "TOKEN=${TOKEN##*/} make",
  ];
  expect(kept.filter((text) => redact(text).text !== text)).toEqual([]);
  const told = ["hunter", "2"].join("");
  const redacted = [
    `API_KEY=\${API_KEY:-${told}} make`,
    `API_KEY=\${API_KEY:=${told}} make`,
    `API_KEY=\${API_KEY-${told}} make`,
    `API_KEY=\\$${told} make`,
    `API_KEY=\\\${${told} make`,
  ];
  expect(redacted.filter((text) => redact(text).text.includes(told))).toEqual(
    [],
  );
});

test("every quantifier of a rule has a bound, and so has every look behind", () => {
  for (const { pattern, each = "" } of [
    ...RULES,
    ...TOOLS.map((tool) => ({ ...tool, each: "" })),
  ]) {
    const bare = (pattern + each)
      .replaceAll(/\\[^]/g, "x")
      .replaceAll(/\[(?:[^\]])*\]/g, "x");
    expect(bare).not.toMatch(/[*+]|\{\d+,\}/);
  }
});

test("a text that cannot be judged in time is withheld whole", () => {
  let now = 0;
  const slow = () => (now += 150);
  expect(redact("mysql -phunter2; ls", EVERY_RULE, slow)).toEqual({
    text: "",
    rules: [],
    withheld: true,
  });
});

test("bytes that are no UTF-8 stay, and white space in a letter ends no secret", () => {
  const bytes = Buffer.concat([
    Buffer.from("mysql -pàsecret ", "utf8"),
    Buffer.from([0xff, 0x20, 0x78]),
  ]);
  const { text } = redact(bytes.toString("latin1"));
  expect(text).toBe("mysql -p[redacted:mysql-password] \xff x");
});

test("of a command line the words with secrets are redacted, quotes or not", () => {
  const words = (...given: string[]) => new Redactor(EVERY_RULE).words(given);
  expect(words("sshpass", "-p", "a b c", "ssh", "h")).toEqual([
    ...["sshpass", "-p", "[redacted:sshpass]", "ssh", "h"],
  ]);
  expect(words("mysql", "--password", "it's mine", "x")).toEqual([
    ...["mysql", "--password", "[redacted:option]", "x"],
  ]);
  expect(words("bash", "-c", "mysql -phunter2 'x'")).toEqual([
    ...["bash", "-c", "mysql -p[redacted:mysql-password] 'x'"],
  ]);
  expect(words("sudo", "kadmin", "-w", "hunter2")).toEqual([
    ...["sudo", "kadmin", "[withheld]"],
  ]);
  const harmless = ["python", "-m", "mahavishnu", "it's", "a b", ""];
  expect(words(...harmless)).toEqual(harmless);
});

test("a value is judged with its key", () => {
  const redactor = new Redactor(EVERY_RULE);
  const kept = redactor.object({
    ...{ ticket: "4711", password: "hunter2", pin: 1234, size: 7 },
    ...{ deep: { api_key: "k1k1k1", list: ["curl -u bob:hunter3 x"] } },
  });
  expect(kept).toEqual({
    ...{ ticket: "4711", password: "[redacted:assignment]", size: 7 },
    pin: "[redacted:assignment]",
    deep: {
      api_key: "[redacted:assignment]",
      list: ["curl -u bob:[redacted:user-password] x"],
    },
  });
  expect([...redactor.rules]).toEqual(["assignment", "user-password"]);
});

test("where redaction is not configured soundly, the program alone is kept", () => {
  const redactor = new Redactor(null);
  expect(redactor.words(["bash", "-l"])).toEqual(["bash", "[withheld]"]);
  expect(redactor.words(["bash"])).toEqual(["bash"]);
  expect(redactor.text("ticket")).toBe("[withheld]");
});

test("an event that was sent says which rules hit; another is the same object", () => {
  const plain = start({ command: ["bash", "-l"], metadata: { a: "b" } });
  expect(redactEvent(plain, EVERY_RULE)).toBe(plain);
  const secret = start({
    command: ["mysql", "-phunter2"],
    reason: "kadmin -w hunter3",
  });
  const kept = redactEvent(secret, EVERY_RULE) as unknown as {
    redacted_by: string[];
  };
  expect(JSON.stringify(kept)).not.toMatch(/hunter/);
  expect(kept.redacted_by.sort()).toEqual(["mysql-password", "withheld"]);
  const typed = redactEvent(
    command(1, { text: "mysql -phunter2", mark: null }),
    EVERY_RULE,
  );
  expect(typed).toMatchObject({
    text: "mysql -p[redacted:mysql-password]",
    mark: "redacted:mysql-password",
  });
  const raw = Buffer.from("mysql -phunter2 \xff", "latin1").toString("base64");
  const bytes = redactEvent(command(1, { text_base64: raw }), EVERY_RULE);
  const { text_base64 } = bytes as unknown as { text_base64: string };
  expect(Buffer.from(text_base64, "base64").toString("latin1")).toBe(
    "mysql -p[redacted:mysql-password] \xff",
  );
});

test.each([
  ["(a+)+b_abc", /repeats a group in which something varies/],
  ["(?:ab|a){9}token", /repeats a group in which something varies/],
  ["abc.*.*.*d", /more than 2 of \*, \+ and \{n,\}/],
  ["(abc)\\1", /refers back to a group/],
  ["[a-z]+\\d", /holds no 3 letters in a row/],
  ["abcd|abce", /has a \| outside of a group/],
  ["abc(", /is no regular expression/],
  ["(?:abc)?", /matches a text without anything in it/],
  ["müll", /other characters than those of ASCII/],
  ["", /takes a regular expression/],
])("the pattern %p is refused in words", (source, why) => {
  expect(readPattern("mine", source)).toMatch(why);
});

test("a pattern of the user's finds what holds its word", () => {
  for (const [source, word] of [
    ["ACME-[A-Z0-9]{8,}", "acme-"],
    ["internal_key=(?<s>\\w+)", "internal_key="],
    ["(?:x|y)?corp\\.[a-z]+", "corp."],
    ["abcz?(?:def|ghijk)lmnop", "lmnop"],
  ] as const)
    expect(readPattern("mine", source)).toEqual({ name: "mine", source, word });
  const mine = readPattern("mine", "internal_(?<s>k[0-9]+)");
  if (typeof mine === "string") throw new Error(mine);
  const choice = { off: [], patterns: [mine] };
  expect(redact("run internal_k123 x INTERNAL_K9", choice).text).toBe(
    "run internal_[redacted:mine] x INTERNAL_[redacted:mine]",
  );
});

test("a text is not withheld because others had the machine meanwhile", () => {
  const off = ["no-such-rule"];
  let waited_ms = 0;
  // Asked at each rule that could hit.
  off.includes = () => {
    if (waited_ms < 300) Bun.sleepSync(50);
    waited_ms += 50;
    return false;
  };
  const told = redact("ls --token-file x", { off, patterns: [] });
  expect(waited_ms).toBeGreaterThan(200);
  expect(told).toEqual({
    ...{ text: "ls --token-file x", rules: [], withheld: false },
  });
});
