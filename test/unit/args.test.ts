import { expect, test } from "bun:test";
import { type ArgDefs, parseArgs, nearest } from "../../src/cli/args.ts";
import { parseFlags } from "../../src/cli/commands/shell.ts";
import { parsePairs } from "../../src/cli/pairs.ts";

const DEFS = {
  id: { type: "positional", description: "" },
  limit: { type: "string", alias: "n", description: "" },
  after: { type: "string", alias: "since", description: "" },
  tag: { type: "string", multiple: true, description: "" },
  lines: { type: "string", default: "100", description: "" },
  json: { type: "boolean", description: "" },
  color: { type: "boolean", default: true, description: "" },
} as const satisfies ArgDefs;
const parse = (given: string[]) => parseArgs("show", given, DEFS).args;
const DEFAULTS = { tag: [], lines: "100", json: false, color: true };

test.each([
  [[], {}],
  [["--json"], { json: true }],
  [["--limit", "5"], { limit: "5" }],
  [["--limit=5"], { limit: "5" }],
  [["--limit="], { limit: "" }],
  [["--limit", "a=b"], { limit: "a=b" }],
  [["--limit", "--no-color"], { limit: "--no-color" }],
  [["--limit", "--"], { limit: "--" }],
  [["-n", "5"], { limit: "5" }],
  [["-n5"], { limit: "5" }],
  [["-n", "-5"], { limit: "-5" }],
  [["-n", "4", "-n5"], { limit: "5" }],
  [["--since", "-2d"], { after: "-2d" }],
  [["--after", "a\nb"], { after: "a\nb" }],
  [["--after=a\nb"], { after: "a\nb" }],
  [["--tag", "a", "--tag=b"], { tag: ["a", "b"] }],
  [["--lines", "7"], { lines: "7" }],
  [["--no-color"], { color: false }],
  [["--no-color", "--color"], { color: true }],
  [["x", "--json"], { id: "x", json: true }],
  [["--", "--json"], { id: "--json" }],
  [["-"], { id: "-" }],
  [[""], { id: "" }],
])("%j is read as %j", (given, read) => {
  expect(parse(given)).toEqual({ ...DEFAULTS, ...read } as never);
  expect(DEFS.lines.default).toBe("100");
});

test("words that begin with a dash are a command's own where it says so", () => {
  const defs = {
    words: { type: "positional", multiple: true, dashed: true },
    number: { type: "string", alias: "n" },
  } as const;
  const about = { description: "" };
  const parsed = (...words: string[]) =>
    parseArgs("tag", words, {
      words: { ...defs.words, ...about },
      number: { ...defs.number, ...about },
    }).args;
  expect(parsed("id", "+prod", "-test", "-n", "5")).toEqual({
    ...{ words: ["id", "+prod", "-test"], number: "5" },
  });
  expect(() => parsed("--test")).toThrow("tag has no flag '--test'");
});

test.each([
  [["--limt", "5"], "show has no flag '--limt' (did you mean --limit?)"],
  [["--limt=5"], "show has no flag '--limt' (did you mean --limit?)"],
  [["-x"], "show has no flag '-x' (try: session-buddy show --help)"],
  [["-5"], "show has no flag '-5' (try: session-buddy show --help)"],
  [["--zzz"], "show has no flag '--zzz' (try: session-buddy show --help)"],
  [["--=secret"], "show has no flag '--' (try: session-buddy show --help)"],
  [["--limit"], "--limit needs a value (try: session-buddy show --help)"],
  [["-n"], "-n needs a value (try: session-buddy show --help)"],
  [["--json=1"], "--json takes no value (try: session-buddy show --help)"],
  [["--no-json"], "show has no flag '--no-json' (did you mean --json?)"],
  [["--no-color=1"], "--no-color takes no value (try"],
  [["a", "b"], "show takes no word 'b' (try: session-buddy show --help)"],
  [["a", "--", "b"], "show takes no word 'b'"],
  [
    ["a", "--after", "b", "c"],
    "no word 'c' (put the value of --after in quotes)",
  ],
  [["--after", "a", "b", "c"], "no word 'c' (try: session-buddy show --help)"],
  [["a", "--after=b", "c"], "no word 'c' (try: session-buddy show --help)"],
  [["--constructor"], "show has no flag '--constructor'"],
  [["--__proto__"], "show has no flag '--__proto__'"],
])("%j is refused", (given, sentence) => {
  expect(() => parse(given)).toThrow(sentence);
});

test("the nearest word is near", () => {
  const words = ["list-sessions", "show-session", "shell", "ls", "-n", "-V"];
  const pairs: [string, string | null][] = [
    ["list", "list-sessions"],
    ["lsit-sessions", "list-sessions"],
    ["show-sesion", "show-session"],
    ["shel", "shell"],
    ["sehll", "shell"],
    ["lx", "ls"],
    ["x", null],
    ["doctor", null],
    ["sessions", "list-sessions"],
    ["session", "show-session"],
    ["lost", null],
    ["show-all", null],
    ["-x", null],
    ["", null],
  ];
  for (const [word, near] of pairs)
    expect([word, nearest(word, words)]).toEqual([word, near]);
});

test("a word that many names have for a part suggests each of few", () => {
  const words = ["mcp stop", "mcp start", "emit start", "--duration-greater"];
  expect(nearest("start", words)).toBe("mcp start or emit start");
  expect(nearest("--duration", words)).toBe("--duration-greater");
  expect(nearest("mcp", [...words, "mcp a", "mcp b"])).not.toContain(" or ");
});

const NO_FLAGS = {
  ...{ login: false, quiet: false, help: false, "no-commands": false },
  ...{ record: false, "no-record": false },
  ...{ meta: [], tag: [] },
};

test.each([
  [[], {}, 0],
  [["--"], {}, 1],
  [["zsh", "-l"], {}, 0],
  [["-l", "zsh", "-l"], { login: true }, 1],
  [["--", "--help"], {}, 1],
  [["--quiet", "--", "--quiet", "--"], { quiet: true }, 2],
  [["bash", "--help"], {}, 0],
  [["-", "x"], {}, 0],
  [["--help"], { help: true }, 1],
  [["-h", "x"], { help: true }, 1],
  [["--name", "--", "x"], { name: "--" }, 2],
  [["--name=", "x"], { name: "" }, 1],
  [["--name=a=b\nc"], { name: "a=b\nc" }, 1],
  [["--type", "a", "--type", "b"], { type: "b" }, 4],
  [["--tag", "a", "--tag=b"], { tag: ["a", "b"] }, 3],
  [["--meta=a=1", "--meta", "b"], { meta: ["a=1", "b"] }, 3],
  [["--no-commands", "--login"], { login: true, "no-commands": true }, 2],
  [["--record", "cat", "--record"], { record: true }, 1],
  [["--no-record"], { "no-record": true }, 1],
])("shell %j", (given, read, consumed) => {
  const flags = { ...NO_FLAGS, ...read };
  expect(parseFlags(given)).toEqual({ flags, consumed } as never);
});

test.each([
  [["--nmae", "x"], "shell has no flag '--nmae' (did you mean --name?)"],
  [["--nmae=secret"], "shell has no flag '--nmae' (did you mean --name?)"],
  [["-x"], "shell has no flag '-x' (try: session-buddy shell --help)"],
  [["-é"], "shell has no flag '-é' (try: session-buddy shell --help)"],
  [["--commands"], "shell has no flag '--commands'"],
  [["--name"], "--name needs a value"],
  [["--quiet=1"], "--quiet takes no value"],
])("shell %j is refused", (given, sentence) => {
  expect(() => parseFlags(given)).toThrow(sentence);
});

test("metadata is JSON where it is JSON, and text elsewhere", () => {
  const pairs = [
    ...["a=1", "b=true", "c=null", 'd={"x":[1]}', "e=text", "f=", "g=a=b"],
    ...["h=01", "i= 1 ", "__proto__=x", "constructor=y", "i=2"],
  ];
  const made = parsePairs(pairs, "--meta ");
  expect(JSON.stringify(made)).toBe(
    '{"a":1,"b":true,"c":null,"d":{"x":[1]},"e":"text","f":"","g":"a=b","h":"01","i":2,"__proto__":"x","constructor":"y"}',
  );
  expect(Object.getPrototypeOf(made)).toBeNull();
  for (const pair of ["a", "=1", ""])
    expect(() => parsePairs([pair], "--meta ")).toThrow(
      "--meta takes key=value",
    );
  for (const name of ["exit_code", "signal", "end_source", "lease"])
    expect(() => parsePairs([`${name}=1`], "--meta ")).toThrow(
      "is measured and cannot",
    );
});
