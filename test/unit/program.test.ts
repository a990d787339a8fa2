/** What a session is called after the command that it wraps. */
import { expect, test } from "bun:test";
import { inferComponent } from "../../src/record/program.ts";

test.each([
  [["python3", "-m", "mahavishnu", "shell"], "mahavishnu"],
  [["/usr/bin/python3.11"], "python"],
  [["python", "-mIPython"], "IPython"],
  [["python", "-Im", "http.server", "80"], "http"],
  [["python", "-W", "ignore", "-X", "dev", "-m", "pdb"], "pdb"],
  [["python", "-Wignore", "-Xdev", "-m", "pdb"], "pdb"],
  [["bash", "-l"], "bash"],
])("%p is a %s", (argv, component) => {
  expect(inferComponent(argv)).toBe(component);
});

test.each([
  [["-c", "from sys import argv; p='hidden'"]],
  [["-cfrom sys import argv; p='hidden'"]],
  [["-cimport time;p='hidden'"]],
  [["-Icimport time;p='hidden'"]],
  [["-Wmhidden"]],
  [["-Xmhidden"]],
  [["-m", "not a module but hidden"]],
  [["-WX", "script.py", "-m", "hidden"]],
  [["-XW", "script.py", "-mhidden"]],
  [["--check-hash-based-pycs", "-m", "hidden"]],
  [["--help", "-m", "hidden"]],
  [["-hm", "hidden"]],
])("no word of python %p is in it", (args) => {
  expect(inferComponent(["python3", ...args])).toBe("python");
});
