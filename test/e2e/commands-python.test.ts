/** What a person types into python and IPython is in the record, and nothing of the recording on the screen. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import {
  CTRL_C,
  CTRL_Z,
  NUMBERED,
  type Typed,
  type Typist,
  comparable,
  dropped,
  expectRecorded,
  sameWithAndWithout,
  typeAll,
  typed,
} from "../support/typing.ts";

const PYTHON: Typist = {
  argv: ["python3", "-q"],
  prompt: />>> $/,
  continued: /\.\.\. $/,
};
/** Of one sleep python misses a Ctrl-C that comes just before it. */
const INTERRUPTED =
  "[up and print(up.pop()) or time.sleep(0.01) for _ in iter(int, 1)]";

/** A block, and the empty line that ends it. */
const block = (...lines: string[]): Typed => ({
  ...{ keys: [...lines, ""], text: lines.join("\n"), status: 0 },
});

/** What both of them take alike. */
const STATEMENTS: Typed[] = [
  typed("import os, sys; home = os.environ['HOME']"),
  typed("os.mkdir(home + '/gone'); os.chdir(home + '/gone')"),
  typed("os.rmdir(home + '/gone')"),
  typed("os.getcwd()", 1),
  typed("os.chdir(home); os.path.exists('gone')"),
  typed("os.system('exit 3')"),
  typed("os.system('echo from a shell')"),
  typed("input('? ')", 0, { then: { shown: /\? $/, keys: "word\r" } }),
  typed("_"),
  typed("sys.stderr.write('to stderr\\n')"),
  typed("a, *b = range(4); b"),
  typed("(lambda x: x ** 2)(7)"),
  typed("(n := 3) and f'{n:>5}'"),
  typed("{k: v for k, v in zip('ab', (1, 2))}"),
  typed("'\\x1b[1mbold'"),
  typed("b'\\xff\\xfe'"),
  typed("'𝒳 ✓ é'"),
  typed("raise ValueError('told')", 1),
  typed("assert not 'so'", 1),
  typed("exec('raise KeyError(1)')", 1),
  typed("1; 2; 3"),
  typed("x = 1 if [] else None; x is None"),
  typed("del x"),
  typed("x", 1),
  typed("import nosuchmodule", 1),
  typed("from os.path import join as j; j('a', 'b')"),
  typed("print('a', end='')"),
  typed("print()"),
];

const AWKWARD: Typed[] = [
  typed("1 + 1"),
  typed("1 / 0", 1),
  typed("x = 'a;b'"),
  typed("x"),
  {
    keys: ["for i in (1, 2):", "    print(i)", ""],
    text: "for i in (1, 2):\n    print(i)",
    status: 0,
  },
  { keys: ["def f():", "    return 7", ""], text: "def f():\n    return 7" },
  typed("f()"),
  typed("print('héllo ✓')"),
  typed("print('a\\\\nb')"),
  typed("_"),
  typed("import os, sys"),
  typed("os.chdir('/')", 0, { end_cwd: "/" }),
  typed("sys.ps1"),
  typed("sys.ps1 = '>>> '"),
  typed("'after it'"),
  typed("sys.ps1 = type('Ps1', (), {'__str__': lambda self: '>>> '})()"),
  typed("'and after that'"),
  typed("sys.ps1 = '>>> '"),
  typed("[k for k in os.environ if 'PYTHONST' in k]"),
  typed("[k for k in dir() if 'session' in k or '__sb' in k]"),
  typed("from_startup"),
  { keys: ["f(", ")"], text: "f(\n)", status: 0 },
  typed("import time; up = ['up']"),
  typed(INTERRUPTED, 1, { then: { shown: /^up/m, keys: CTRL_C } }),
  { keys: [""], text: null },
  dropped("given_up = 1"),
  typed("given_up", 1),
  typed("nope", 1),
  typed("nope", 1),
  ...STATEMENTS,
  block("class C:", "    '''Of it.'''", "    y: int = 3"),
  block("@staticmethod", "def g(*a, **k):", "    yield from a"),
  block("with open('note', 'w') as f:", "    _ = f.write('in a file\\n')"),
  { keys: ["'''of", "two lines'''"], text: "'''of\ntwo lines'''", status: 0 },
  { keys: ["2 + \\", "3"], text: "2 + \\\n3", status: 0 },
  typed("# a comment"),
  { keys: [new Uint8Array([...Buffer.from("'"), 0xff, 0x27])], text: null },
  // No statement: nothing runs.
  { keys: ["2 +"], text: null },
  {
    keys: ["os.execvp('sh', ['sh', '-c', 'echo in its place'])"],
    text: "os.execvp('sh', ['sh', '-c', 'echo in its place'])",
    ended: false,
    last: true,
  },
];

test("python: each statement is recorded, and the screen is the same", async () => {
  if (!needs("python3")) return;
  using plain = prepared();
  using sandbox = prepared();
  await sameWithAndWithout(
    plain,
    sandbox,
    { ...PYTHON, env: { PYTHONSTARTUP: join(plain.home, "startup.py") } },
    AWKWARD,
  );
}, 400_000);

const IPYTHON: Typist = {
  argv: [
    Bun.which("ipython3") ?? "ipython3",
    ...["--simple-prompt", "--no-banner", "--no-confirm-exit"],
  ],
  prompt: /In \[\d+\]: $/,
  continued: /\.\.\.: $/,
};

/** Of where it was interrupted IPython shows the very call. */
const INTERRUPTED_CELL = [
  "try:",
  "    while not time.sleep(0.01): up and print(up.pop())",
  "except KeyboardInterrupt:",
  "    raise ValueError from None",
];

const CELLS: Typed[] = [
  typed("1 + 1"),
  typed("1 / 0", 1),
  typed("x = 'a;b'"),
  {
    keys: ["for i in (1, 2):", "    print(i)", ""],
    text: "for i in (1, 2):\n    print(i)",
    status: 0,
  },
  typed("print('héllo ✓')"),
  typed("print('a\\\\nb')"),
  typed("%cd -q /", 0, { end_cwd: "/" }),
  typed("import os; [k for k in os.environ if 'PYTHONST' in k]"),
  typed("[k for k in dir() if 'session' in k or '__sb' in k]"),
  typed("from_startup"),
  typed("import time; up = ['up']"),
  {
    keys: [...INTERRUPTED_CELL, ""],
    text: INTERRUPTED_CELL.join("\n"),
    status: 1,
    then: { shown: /^up/m, keys: CTRL_C },
  },
  { keys: [""], text: null },
  dropped("given_up = 1"),
  typed("given_up", 1),
  typed("nope", 1),
  typed("nope", 1),
  ...STATEMENTS,
  block("class C:", "    '''Of it.'''", "    y: int = 3"),
  block("with open('note', 'w') as f:", "    _ = f.write('in a file\\n')"),
  {
    keys: ["%%capture", "print('nowhere')", "", ""],
    text: "%%capture\nprint('nowhere')",
    status: 0,
  },
  {
    keys: ["%%sh", "echo from a cell", "exit 4", "", ""],
    text: "%%sh\necho from a cell\nexit 4",
    status: 1,
  },
  typed("%pwd"),
  typed("%run note.py"),
  typed("told = !echo a; echo b"),
  typed("told"),
  typed("?nosuchname"),
  typed("%who_ls str"),
  typed("In[1], Out[1]"),
  typed("%alias told echo told"),
  typed("%nosuchmagic", 1),
  // From it on IPython hears no Ctrl-C.
  typed("!exit 3"),
  { keys: [" 'kept from the record'"], text: "", mark: "private" },
  { keys: ["exit"], text: "exit", last: true },
];

test("IPython: each cell is recorded, and the screen is the same", async () => {
  if (!needs("ipython3")) return;
  using plain = prepared();
  using sandbox = prepared();
  await sameWithAndWithout(
    plain,
    sandbox,
    { ...IPYTHON, env: { PYTHONSTARTUP: join(plain.home, "startup.py") } },
    CELLS,
  );
}, 400_000);

/** Ends once it goes on after a stop. */
const STOPPED =
  "any(up and print(up.pop()) or time.sleep(0.01) for _ in iter(on.copy, [1]))";
const HEARS =
  "import os, signal, time; up = ['up']; on = []; was = signal.signal(signal.SIGCONT, lambda *_: on.append(1))";

for (const { argv, prompt } of [PYTHON, IPYTHON])
  test(`${argv[0]!.split("/").at(-1)}: Ctrl-Z and fg, and another program in its place`, async () => {
    if (!needs(argv[0]!)) return;
    const outer = (IT: string[]) => ({
      argv: ["bash"],
      prompt: new RegExp(`${prompt.source}|${NUMBERED.prompt.source}`),
      continued: NUMBERED.continued,
      env: { IT: IT.join(" ") },
    });
    const inside: Typed[] = [
      typed(HEARS),
      typed(STOPPED, 0, { then: { shown: /^up/m, keys: CTRL_Z } }),
      { keys: ["fg"], text: null },
      typed("on"),
      {
        keys: ["os.execvp('sh', ['sh', '-c', 'echo in its place'])"],
        text: "os.execvp('sh', ['sh', '-c', 'echo in its place'])",
        ended: false,
      },
    ];
    const commands: Typed[] = [
      { keys: ["$IT"], text: null },
      ...inside,
      { keys: ["exit 7"], text: null, last: true },
    ];
    using plain = prepared();
    using sandbox = prepared();
    const alone = await typeAll(plain, outer(argv), null, commands);
    const wrapped = [BINARY, "shell", "--quiet", "--", ...argv];
    const shown = await typeAll(sandbox, outer(wrapped), null, commands);
    expect(comparable(shown, sandbox)).toBe(comparable(alone, plain));
    expectRecorded(sandbox, inside);
  });

function prepared(): Sandbox {
  const sandbox = new Sandbox();
  writeFileSync(join(sandbox.home, ".bashrc"), "PS1='<\\#>$ '\n");
  writeFileSync(join(sandbox.home, "note.py"), "print('run')\n");
  writeFileSync(
    join(sandbox.home, "startup.py"),
    "from_startup = 'ours'\nimport sys\nsys.ps1 = '>>> '\n",
  );
  return sandbox;
}
