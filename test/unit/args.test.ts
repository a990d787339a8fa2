import { expect, test } from "bun:test";
import { type ArgSpec, nearest, strictArgs } from "../../src/cli/args.ts";
import { parseFlags, parseMeta } from "../../src/cli/commands/shell.ts";

const SPECS: Record<string, ArgSpec> = {
  id: { type: "positional" },
  limit: { type: "string", alias: "n" },
  after: { type: "string", alias: ["since"] },
  json: { type: "boolean" },
  color: { type: "boolean", default: true },
};

test.each([
  [[], []],
  [["--json"], ["--json"]],
  [["--limit", "5"], ["--limit=5"]],
  [["--limit=5"], ["--limit=5"]],
  [["--limit="], ["--limit="]],
  [["--limit", "a=b"], ["--limit=a=b"]],
  [["-n", "5"], ["--limit=5"]],
  [["-n5"], ["--limit=5"]],
  [["-n", "-5"], ["--limit=-5"]],
  [["--since", "-2d"], ["--after=-2d"]],
  [["--after", "a\nb"], ["--after=a\nb"]],
  [["--after=a\nb"], ["--after=a\nb"]],
  [["--no-color"], ["--no-color"]],
  [
    ["x", "--json"],
    ["--json", "--", "x"],
  ],
  [
    ["--", "--json"],
    ["--", "--json"],
  ],
  [["-"], ["--", "-"]],
  [[""], ["--", ""]],
])("%j becomes %j", (given, made) => {
  expect(strictArgs("show", given, SPECS)).toEqual(made);
});

test.each([
  [["--limt", "5"], "show has no flag '--limt' (did you mean --limit?)"],
  [["--limt=5"], "show has no flag '--limt' (did you mean --limit?)"],
  [["-x"], "show has no flag '-x' (try: session-buddy show --help)"],
  [["--zzz"], "show has no flag '--zzz' (try: session-buddy show --help)"],
  [["--limit"], "--limit needs a value (try: session-buddy show --help)"],
  [["-n"], "-n needs a value (try: session-buddy show --help)"],
  [["--json=1"], "--json takes no value (try: session-buddy show --help)"],
  [["--no-json"], "show has no flag '--no-json' (did you mean --json?)"],
  [["--no-color=1"], "--no-color takes no value (try"],
  [["a", "b"], "show takes no word 'b' (try: session-buddy show --help)"],
  [["a", "--", "b"], "show takes no word 'b'"],
  [["--constructor"], "show has no flag '--constructor'"],
])("%j is refused", (given, sentence) => {
  expect(() => strictArgs("show", given, SPECS)).toThrow(sentence);
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
    ["-x", null],
    ["", null],
  ];
  for (const [word, near] of pairs)
    expect([word, nearest(word, words)]).toEqual([word, near]);
});

const flags = (given: string[]) => {
  const { values, ...rest } = parseFlags(given);
  return { ...rest, values: Object.fromEntries(values) };
};
const NONE = {
  ...{ login: false, quiet: false, help: false, meta: [], tags: [] },
  values: {},
};

test.each([
  [[], { consumed: 0 }],
  [["--"], { consumed: 1 }],
  [["zsh", "-l"], { consumed: 0 }],
  [["-l", "zsh", "-l"], { login: true, consumed: 1 }],
  [["--", "--help"], { consumed: 1 }],
  [["--quiet", "--", "--quiet", "--"], { quiet: true, consumed: 2 }],
  [["bash", "--help"], { consumed: 0 }],
  [["-", "x"], { consumed: 0 }],
  [["--help"], { help: true, consumed: 1 }],
  [["-h", "x"], { help: true, consumed: 1 }],
  [["--name", "--", "x"], { values: { name: "--" }, consumed: 2 }],
  [["--name=", "x"], { values: { name: "" }, consumed: 1 }],
  [["--name=a=b\nc"], { values: { name: "a=b\nc" }, consumed: 1 }],
  [["--type", "a", "--type", "b"], { values: { type: "b" }, consumed: 4 }],
  [["--tag", "a", "--tag=b"], { tags: ["a", "b"], consumed: 3 }],
  [["--meta=a=1", "--meta", "b"], { meta: ["a=1", "b"], consumed: 3 }],
  [["--no-commands", "--login"], { login: true, consumed: 2 }],
])("shell %j", (given, found) => {
  expect(flags(given)).toEqual({ ...NONE, ...found } as never);
});

test.each([
  [["--nmae", "x"], "shell has no flag '--nmae' (did you mean --name?)"],
  [["--nmae=secret"], "shell has no flag '--nmae' (did you mean --name?)"],
  [["-x"], "shell has no flag '-x' (try: session-buddy shell --help)"],
  [["--name"], "--name needs a value"],
  [["--quiet=1"], "shell has no flag '--quiet'"],
])("shell %j is refused", (given, sentence) => {
  expect(() => parseFlags(given)).toThrow(sentence);
});

test("metadata is JSON where it is JSON, and text elsewhere", () => {
  const pairs = [
    ...["a=1", "b=true", "c=null", 'd={"x":[1]}', "e=text", "f=", "g=a=b"],
    ...["h=01", "i= 1 ", "__proto__=x", "constructor=y", "i=2"],
  ];
  const made = parseMeta(pairs);
  expect(JSON.stringify(made)).toBe(
    '{"a":1,"b":true,"c":null,"d":{"x":[1]},"e":"text","f":"","g":"a=b","h":"01","i":2,"__proto__":"x","constructor":"y"}',
  );
  expect(Object.getPrototypeOf(made)).toBeNull();
  for (const pair of ["a", "=1", ""])
    expect(() => parseMeta([pair])).toThrow("--meta takes key=value");
  for (const name of ["exit_code", "signal", "end_source", "lease"])
    expect(() => parseMeta([`${name}=1`])).toThrow("is measured and cannot");
});
