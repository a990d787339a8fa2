/** What a person types into python and IPython is in the record, and nothing of the recording on the screen. */
import { test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import {
  CTRL_C,
  type Typed,
  type Typist,
  sameWithAndWithout,
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
  typed("[k for k in os.environ if 'PYTHONST' in k]"),
  typed("[k for k in dir() if 'session' in k or '__sb' in k]"),
  typed("from_startup"),
  { keys: ["f(", ")"], text: "f(\n)", status: 0 },
  typed("import time; up = ['up']"),
  typed(INTERRUPTED, 1, { then: { shown: /^up/m, keys: CTRL_C } }),
  { keys: [""], text: null },
  typed("nope", 1),
  typed("nope", 1),
  // No statement: nothing runs.
  { keys: ["2 +"], text: null },
  { keys: ["exit(5)"], text: "exit(5)", last: true },
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
}, 120_000);

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
  typed("nope", 1),
  typed("nope", 1),
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
}, 120_000);

function prepared(): Sandbox {
  const sandbox = new Sandbox();
  writeFileSync(join(sandbox.home, "startup.py"), "from_startup = 'ours'\n");
  return sandbox;
}
